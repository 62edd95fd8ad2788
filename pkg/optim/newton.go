package optim

import (
	"fmt"
	"math"

	"odepipe/pkg/backend"
	"odepipe/pkg/tensor"
)

// newton is the second-order baseline whose curvature comes from Hessian-vector products by a recursive adjoint (paper,
// Fig. 11). At this size only the diagonal can be kept, estimated by probes v of random signs, D = E[v * Hv]:
//
//	D <- rho D + (1-rho) D_new        (from the first one; rho is hessian-decay)
//	d = g / (|D| + eps + gamma)
//
// and a step of sgd along d: AdaHessian (Yao et al. 2021) without spatial averaging and with the mean of D in the place
// of its root mean square. g has the gradient of a penalty, and gamma, its curvature, is added to the damping.
type newton struct {
	diagonal tensor.T // D
	ready    bool     // whether it holds anything yet
}

func newNewton(be backend.Backend, shape tensor.Shape) *newton {
	return &newton{diagonal: zeros(be, shape)}
}

// gather takes a new diagonal, if it is one.
func (n *newton) gather(be backend.Backend, fresh tensor.T, found bool, rho float64) error {
	switch {
	case !found:
		return fmt.Errorf("%w: there is no diagonal of the Hessian", ErrMismatch)
	case fresh.Shape != n.diagonal.Shape || fresh.N != 0:
		return fmt.Errorf("%w: the diagonal of the Hessian has shape %s, not %s", ErrMismatch, fresh.Shape, n.diagonal.Shape)
	}
	if square := dot(be, fresh, fresh); math.IsNaN(square) || math.IsInf(square, 0) {
		return fmt.Errorf("the diagonal of the Hessian: %w", ErrNonFinite)
	}
	if !n.ready {
		rho = 0
	}
	be.Combine(n.diagonal, []float64{rho, 1 - rho}, n.diagonal, fresh)
	n.ready = true
	return nil
}

// direction is g / (|D| + damping), in the arena's memory.
func (n *newton) direction(be backend.Backend, g tensor.T, damping float64) tensor.T {
	d, negative, size := be.Plain(g.Shape), be.Plain(g.Shape), be.Plain(g.Shape)
	be.Combine(negative, []float64{-1}, n.diagonal)
	be.Activate(negative, backend.ReLU, negative)
	be.Activate(size, backend.ReLU, n.diagonal)
	be.Combine(size, []float64{1, 1}, size, negative) // |D| = max(D, 0) + max(-D, 0)
	be.Combine(d, []float64{1}, g)
	be.EigenScale(d, size, 1, 0, damping)
	return d
}

// refreshDiagonals takes in the diagonals of a step that wants them.
func (o *Optimizer) refreshDiagonals(diagonals map[string]tensor.T, report *Report) error {
	for _, u := range o.units {
		if u.newton == nil {
			continue
		}
		name := u.members[0].Param.Name
		fresh, found := diagonals[name]
		err := u.newton.gather(o.be, fresh, found, o.settings.HessianDecay)
		switch {
		case err == nil:
			report.Refreshed++
		case !u.newton.ready:
			return fmt.Errorf("%s: %w", name, err)
		default:
			report.Warnings = append(report.Warnings, fmt.Sprintf("%s keeps its curvature: %v", name, err))
		}
	}
	return nil
}
