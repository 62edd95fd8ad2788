package adjoint

import (
	"odepipe/pkg/backend"
	"odepipe/pkg/nn"
	"odepipe/pkg/ode"
	"odepipe/pkg/tensor"
)

// Tangent is the derivative of a block's ends along a direction, and what the way back needs of it.
type Tangent struct {
	X1     tensor.T   // of x(t1)
	Extra  tensor.T   // cotangent of x(t1) that the backward solve's own dependence on it adds
	Params []tensor.T // the part of the Hessian-vector product that is known already
	Stats  ode.Stats
}

// Recurse is the adjoint of a backsolve's adjoint, the second-order baseline of the paper (Section 2, Table 1): with the
// backsolve's ends x(t0), a(t0) it integrates from t0 to t1, for directions xdot of x(t0) and thetadot of the parameters,
//
//	x' = F    a' = -F_x^T a                                                   the backsolve in reverse
//	u' = F_x u + F_theta thetadot                                             u(t0) = xdot
//	w' = -F_x^T w + d/dx <a, F_x u + F_theta thetadot>                        w(t0) = 0
//	mu' = -F_theta^T w + d/dtheta <a, F_x u + F_theta thetadot>               mu(t0) = 0
//
// u(t1) is the derivative of x(t1), w(t1) what the backsolve adds to its cotangent, mu its part of the product. With c the
// derivative of a(t1) along the direction, a last backward solve from c + w(t1) by Differentiate yields the rest: H
// thetadot is mu plus that solve's gradient. The samples share one interval. Errors are those of ode.Solve.
func Recurse(p *Problem, x0, a0, xdot tensor.T, thetadot []tensor.T) (Tangent, error) {
	be := p.Backend
	f := &recursion{be: be, field: p.Field, thetadot: thetadot,
		negative: be.Batch(x0.N, x0.Shape), back: be.Batch(x0.N, x0.Shape)}
	state := ode.State{x0, a0, xdot, be.Batch(x0.N, x0.Shape)}
	for _, param := range p.Params {
		state = append(state, be.Plain(param.Shape))
	}
	for _, part := range state[3:] {
		be.Combine(part, nil)
	}
	problem := ode.Problem{Field: f, Quadrature: len(p.Params), Block: p.Block, Trace: p.Trace}
	end, stats, err := ode.Solve(be, problem, state, p.T0, p.T1, p.common(), nil)
	if err != nil {
		return Tangent{Stats: stats}, err
	}
	return Tangent{X1: end[2], Extra: end[3], Params: end[4:], Stats: stats}, nil
}

// recursion is the field of the state (x, a, u, w, mu).
type recursion struct {
	be       backend.Backend
	field    *nn.Bound
	thetadot []tensor.T // nil: 0
	negative tensor.T   // -w
	back     tensor.T   // F_x^T a
}

// Eval writes all derivatives: <-w, F> + <a, F_x u + F_theta thetadot> has them as its own.
func (f *recursion) Eval(dst ode.State, t []float64, y ode.State, e ode.Evaluation) {
	f.field.Forward(dst[0], t, y[0])
	f.field.JVP(dst[2], nn.Direction{Dx: y[2], Params: f.thetadot})
	f.be.Combine(f.negative, minusOne, y[3])
	want := nn.Cotangents{Dx: dst[3]}
	if e.Quadrature && len(dst) > 4 {
		want.Params = dst[4:]
	}
	f.field.PairVJP(want, f.back, f.negative, y[1])
	f.be.Combine(dst[1], minusOne, f.back)
}
