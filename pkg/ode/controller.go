package ode

import (
	"fmt"
	"math"
)

// controller chooses the size of the step after one whose scaled error was ratio. With g = 0.9 / ratio^(1/order), the
// growth at which the error would be a little under what is allowed, and g', g” that of the two accepted steps before,
//
//	h <- h min(10, max(g^beta_0 g'^beta_1 g''^beta_2, least))   after a step that was accepted, ratio <= 1
//	h <- h max(g, 0.2), and g', g'' are forgotten               after one that was not
//	h <- h/2                                                    where ratio is not finite
type controller struct {
	name  string
	beta  [3]float64
	least float64 // smallest factor after a step with ratio < 1
}

// controllers in display order; the first is the default.
var controllers = []controller{
	{"i", [3]float64{1}, 1},                                  // as torchdiffeq
	{"pi", [3]float64{0.7, -0.4}, maxShrink},                 // Gustafsson (1991), kI = 0.3, kP = 0.4
	{"pid", [3]float64{1. / 18, 1. / 9, 1. / 18}, maxShrink}, // Soederlind (2003), H312PID
}

// Controllers are the names that Options.Controller takes, in display order; the first is the default.
var Controllers = namesOf(controllers)

func namesOf(list []controller) []string {
	names := make([]string, len(list))
	for i, c := range list {
		names[i] = c.name
	}
	return names
}

// The constants of all controllers, torchdiffeq's.
const (
	safety    = 0.9
	maxGrowth = 10.0 // largest factor from one step to the next
	maxShrink = 0.2  // smallest one
	halving   = 0.5  // the factor after a step that is not finite
)

// findController finds a controller by name; the empty name is the default. The error wraps ErrOptions.
func findController(name string) (controller, error) {
	if name == "" {
		return controllers[0], nil
	}
	for _, c := range controllers {
		if c.name == name {
			return c, nil
		}
	}
	return controller{}, fmt.Errorf("controller %q: %w", name, ErrOptions)
}

// growth is what a controller remembers: g of the last two accepted steps.
type growth [2]float64

// next is the size of the step after one of size h, for a method of the given order.
func (c controller) next(past *growth, h, ratio float64, order int) float64 {
	if !finite(ratio) {
		return h * halving
	}
	g := min(maxGrowth, safety/math.Pow(ratio, 1/float64(order)))
	if ratio > 1 {
		*past = growth{1, 1}
		return h * max(g, maxShrink)
	}
	factor := math.Pow(g, c.beta[0]) * math.Pow(past[0], c.beta[1]) * math.Pow(past[1], c.beta[2])
	*past = growth{g, past[0]}
	least := maxShrink
	if ratio < 1 {
		least = c.least
	}
	return h * min(maxGrowth, max(factor, least))
}

// firstStep selects the size of the first step (Hairer, Norsett, Wanner I, II.4, as in torchdiffeq) from
//
//	d0 = |y|, d1 = |k_1|, d2 = |f(t + h0, y + h0 k_1) - k_1| / h0,   scaled by atol + rtol |y|
//	h0 = 0.01 d0/d1,   h1 = (0.01 / max(d1, d2))^(1/order),   h = min(100 h0, h1)
//
// direction is the sign of t1 - t0. It spends one evaluation, in slope 2. An f that is not finite at t + h0 leaves h0.
func (s *workspace) firstStep(t, direction, atol, rtol float64, order int) float64 {
	d0 := s.norm(1, 0, nil, s.y, atol, rtol)
	d1 := s.norm(0, 1, one, s.y, atol, rtol)
	h0 := firstTrial(d0, d1)
	s.combine(s.stage, direction*h0, one)
	s.eval(1, t+direction*h0, s.stage, Evaluation{true, -1})
	d2 := s.norm(0, 1, []float64{-1, 1}, s.y, atol, rtol) / h0
	return firstSize(h0, d1, d2, order)
}

// firstTrial is h0.
func firstTrial(d0, d1 float64) float64 {
	if d0 >= 1e-5 && d1 >= 1e-5 {
		return 0.01 * d0 / d1
	}
	return 1e-6
}

// firstSize is h.
func firstSize(h0, d1, d2 float64, order int) float64 {
	if !finite(d2) {
		return h0
	}
	h1 := max(1e-6, h0*1e-3)
	if d1 > 1e-15 || d2 > 1e-15 {
		h1 = math.Pow(0.01/max(d1, d2), 1/float64(order))
	}
	return min(100*h0, h1)
}
