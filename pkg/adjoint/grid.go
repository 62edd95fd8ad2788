package adjoint

import (
	"math"

	"odepipe/pkg/backend"
	"odepipe/pkg/nn"
	"odepipe/pkg/ode"
	"odepipe/pkg/tensor"
)

// Grid samples the Kronecker factors of the layers of F along a backward solve, by the trapezoid rule on n+1 uniform
// points t_j of [t0, t1] that the dense output reaches:
//
//	A += sum_j w_j E_b[z z^T](t_j)    B += sum_j w_j E_b[g g^T](t_j),   w_j = dt, dt/2 at both ends   (13)
//
// with g = (dF/dh)^T q and, for rank 1, q = B a / sqrt(|t1 - t0|): a carries the 1/B of the mean loss.
type Grid struct {
	Step        float64 // largest dt, units of t
	Into        *Factors
	Evaluations int // of F, so far

	be    backend.Backend
	field *nn.Bound
	t0    float64
	t1    float64
	n     int // intervals
	next  int // index of the next point, counted from t1
	at    ode.State
	time  [1]float64 // of the point in hand
}

func (s *Grid) begin(p Problem, x1, a1 tensor.T) {
	s.be, s.field, s.t0, s.t1 = p.Backend, p.Field, p.T0, p.T1
	s.n = max(1, int(math.Ceil(math.Abs(p.T1-p.T0)/s.Step-1e-9)))
	s.next = 0
	s.at = ode.State{s.be.Batch(x1.N, x1.Shape), s.be.Batch(a1.N, a1.Shape)}
}

// point is grid point j, exact at both ends.
func (s *Grid) point(j int) float64 {
	if j == s.n {
		return s.t0
	}
	return s.t1 + (s.t0-s.t1)*float64(j)/float64(s.n)
}

// observe visits the grid points of one accepted step.
func (s *Grid) observe(step *ode.Dense) {
	for ; s.next <= s.n; s.next++ {
		t := s.point(s.next)
		if (t-step.To)*(s.t0-s.t1) > 0 {
			return // beyond this step
		}
		step.At(s.at, t)
		weight := math.Abs(s.t1-s.t0) / float64(s.n)
		if s.next == 0 || s.next == s.n {
			weight /= 2
		}
		s.time[0] = t
		s.field.Inputs(s.time[:], s.at[partX])
		s.field.VJP(nn.Cotangents{Tap: s.Into.Tap(weight, 1/math.Abs(s.t1-s.t0))}, s.at[partA])
		s.Evaluations++
	}
}
