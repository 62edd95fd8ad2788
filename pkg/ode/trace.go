package ode

import "math"

// Attempt is one step that was tried. With Control "sample" it is one of every sample: T and H are those of the sample
// furthest behind, Ratio is the largest, and Accepted says that some were.
type Attempt struct {
	T           float64 // where it starts, units of t
	H           float64 // its size with its sign, units of t
	Ratio       float64 // the Norm of its scaled error, at most 1 if accepted; NaN where there is none
	Accepted    bool
	Samples     int // how many samples took the step
	Evaluations int // of the solve so far
}

// trace reports the step of size h from t.
func (s *solve) trace(t, h, ratio float64, accepted bool) {
	if s.problem.Trace != nil {
		a := Attempt{T: t, H: math.Copysign(h, s.direction), Ratio: ratio, Accepted: accepted, Evaluations: s.evaluations}
		if accepted {
			a.Samples = s.samples
		}
		s.problem.Trace(a)
	}
}
