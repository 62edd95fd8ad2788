package ode

import "math"

// The constants of the step size controller, torchdiffeq's.
const (
	safety    = 0.9
	maxGrowth = 10.0 // largest factor from one step to the next
	maxShrink = 0.2  // smallest one
	halving   = 0.5  // the factor after a step that is not finite
)

// nextStep is the size of the step after one of size h whose scaled error was ratio, for a method of the given order:
//
//	h min(10, max(0.9 / ratio^(1/order), d)),   d = 1 if ratio < 1, else 0.2
//
// and h/2 if ratio is not finite. A step is accepted if ratio <= 1.
func nextStep(h, ratio float64, order int) float64 {
	if !finite(ratio) {
		return h * halving
	}
	if ratio == 0 {
		return h * maxGrowth
	}
	smallest := maxShrink
	if ratio < 1 {
		smallest = 1
	}
	return h * min(maxGrowth, max(safety/math.Pow(ratio, 1/float64(order)), smallest))
}

// firstStep selects the size of the first step (Hairer, Norsett, Wanner I, II.4, as in torchdiffeq) from
//
//	d0 = |y|, d1 = |k_1|, d2 = |f(t + h0, y + h0 k_1) - k_1| / h0,   scaled by atol + rtol |y|
//	h0 = 0.01 d0/d1,   h1 = (0.01 / max(d1, d2))^(1/order),   h = min(100 h0, h1)
//
// direction is the sign of t1 - t0. It spends one evaluation, in slope 2. An f that is not finite at t + h0 leaves h0.
func (s *stepper) firstStep(t, direction, atol, rtol float64) float64 {
	d0 := s.norm(1, 0, nil, s.y, atol, rtol)
	d1 := s.norm(0, 1, one, s.y, atol, rtol)
	h0 := 1e-6
	if d0 >= 1e-5 && d1 >= 1e-5 {
		h0 = 0.01 * d0 / d1
	}
	s.combine(s.stage, direction*h0, one)
	s.eval(1, t+direction*h0, s.stage, Evaluation{true, -1})
	d2 := s.norm(0, 1, []float64{-1, 1}, s.y, atol, rtol) / h0
	if !finite(d2) {
		return h0
	}
	h1 := max(1e-6, h0*1e-3)
	if d1 > 1e-15 || d2 > 1e-15 {
		h1 = math.Pow(0.01/max(d1, d2), 1/float64(s.method.Order))
	}
	return min(100*h0, h1)
}
