package ode

import "math"

// Attempt is one step that was tried.
type Attempt struct {
	T           float64 // where it starts, units of t
	H           float64 // its size, units of t
	Ratio       float64 // the Norm of its scaled error, at most 1 if accepted; NaN where there is none
	Accepted    bool
	Evaluations int // of the solve so far
}

// trace reports the step of size h from t.
func (s *solve) trace(t, h, ratio float64, accepted bool) {
	if s.problem.Trace != nil {
		s.problem.Trace(Attempt{T: t, H: math.Abs(h), Ratio: ratio, Accepted: accepted, Evaluations: s.evaluations})
	}
}
