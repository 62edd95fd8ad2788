package ode

import (
	"math"

	"odepipe/pkg/tensor"
)

// explicitAdams and implicitAdams are the methods of Bashforth, Moulton and Adams (1883), steps of one size, as in
// torchdiffeq: the first two by rk38, the next of order 3 and growing with the number of known slopes to 11; one more
// for the implicit method. The order of the error at the end is that of the first of these steps, 4 and 5. The high
// orders are stable for very small steps only: |h df/dx| below about 0.003 for the explicit one. A shorter last step is
// by rk38 again, not by the coefficients of equal steps as in torchdiffeq.
var explicitAdams = Scheme{
	Name:  "explicit_adams",
	Order: 4,
	Doc:   "Adams and Bashforth, multi-step, order 4 growing to 11",
}

var implicitAdams = Scheme{
	Name:     "implicit_adams",
	Order:    5,
	Doc:      "Adams and Moulton, multi-step, order 5 growing to 12",
	Iterates: true,
}

// The constants of both, torchdiffeq's.
const (
	adamsSlopes     = 11 // most slopes that a step remembers, the present one included
	adamsStart      = 3  // fewest that it needs
	adamsIterations = 4  // most evaluations of the implicit equation
)

// multistep takes the steps of an Adams method: with f_0 the slope at t and f_1, f_2, ... those before,
//
//	y1 = y + h sum_j P_j f_j                            explicit
//	y1 = y + h (C_0 f(t + h, y1) + sum_j C_{j+1} f_j)   implicit, iterated from the explicit one
//
// until y1 - y changes by less than atol + rtol |y1 - y| in the Norm, four times at most; the last iterate is taken in
// any case, but if it did not converge the oldest slope is forgotten.
//
// Slopes are kept in this order: f_0..f_10; three stages of rk38 or, in place of the first, f at the last iterate; and
// f(t + h, y1) for observers. A step ends with its f_0 moved to place 1 already, and place 0 free.
type multistep struct {
	*workspace
	implicit   bool
	rtol, atol float64
	size       float64     // of the steps to which the slopes belong, with sign
	known      int         // number of slopes, f_0 included
	row        []float64   // the weights of all slopes in the step in hand
	change     [2]State    // y1 - y of an iterate and the one before; implicit only
	pair       [2]tensor.T // scratch
}

var _ stepper = (*multistep)(nil)

// slopesOfAdams is the number of slopes of a workspace for a multistep.
const slopesOfAdams = adamsSlopes + 4

func newMultistep(w *workspace, implicit bool, rtol, atol float64) *multistep {
	s := &multistep{workspace: w, implicit: implicit, rtol: rtol, atol: atol, row: make([]float64, slopesOfAdams)}
	w.interp = make([][5]float64, slopesOfAdams)
	if implicit {
		s.change = [2]State{like(w.be, w.y), like(w.be, w.y)}
	}
	return s
}

func (s *multistep) step(t, end, h float64) bool {
	if math.Abs(h-s.size) > 1e-6*math.Abs(h) { // the first step, or a shorter one at the end
		s.size, s.known = h, 0
	}
	s.known = min(s.known+1, adamsSlopes)
	clear(s.row)
	switch {
	case s.known < adamsStart:
		s.start(t, end, h)
	case s.implicit:
		s.iterate(end, h)
	default:
		predictor(s.row[:s.known])
		s.combine(s.next, h, s.row)
	}
	rotate(s.k[:adamsSlopes])
	rotate(s.row[:adamsSlopes])
	s.gather()
	hermite(s.interp, s.row, 1)
	return true
}

// start takes a step of rk38, its stages in the places after the slopes.
func (s *multistep) start(t, end, h float64) {
	m := rk38.Tableau
	for i := 1; i < len(m.B); i++ {
		spread(s.row, m.A[i])
		s.combine(s.stage, h, s.row[:adamsSlopes+i-1])
		s.eval(adamsSlopes+i-1, m.timeOf(i, t, end, h), s.stage, Evaluation{true, i})
	}
	spread(s.row, m.B)
	s.combine(s.next, h, s.row)
}

// spread writes the weights of the stages of rk38 to their places.
func spread(places, row []float64) {
	places[0] = row[0]
	copy(places[adamsSlopes:], row[1:])
}

// iterate takes a step of the implicit method.
func (s *multistep) iterate(end, h float64) {
	predictor(s.row[:s.known])
	s.increment(s.change[0], h)
	corrector(s.row[:s.known+1])
	present := s.row[0]
	copy(s.row, s.row[1:s.known+1]) // of f_0, f_1, ...
	s.row[s.known] = 0
	s.row[adamsSlopes] = present
	converged := false
	for i := 0; i < adamsIterations && !converged; i++ {
		s.apply()
		s.eval(adamsSlopes, end, s.next, Evaluation{true, -1})
		s.increment(s.change[1], h)
		converged = s.distance() < 1
		s.change[0], s.change[1] = s.change[1], s.change[0]
	}
	s.apply()
	if !converged {
		s.known--
	}
}

// increment writes dst = h sum_i row_i k_i.
func (s *multistep) increment(dst State, h float64) {
	coef := s.weights(0, h, s.row)
	for part := range dst {
		s.be.Combine(dst[part], coef, s.terms[part]...)
	}
}

// apply writes next = y + change.
func (s *multistep) apply() {
	for part := range s.next {
		s.pair = [2]tensor.T{s.y[part], s.change[0][part]}
		s.be.Combine(s.next[part], total, s.pair[:]...)
	}
}

var (
	total      = []float64{1, 1}
	difference = []float64{1, -1}
)

// distance is the Norm of the difference of the two changes, scaled by atol + rtol times the larger of them.
func (s *multistep) distance() float64 {
	for part := range s.rms {
		s.pair = [2]tensor.T{s.change[0][part], s.change[1][part]}
		s.rms[part] = s.partRMS(difference, s.pair[:], s.pair[0], s.pair[1], s.atol, s.rtol)
	}
	return s.problem.Norm(s.rms)
}

// rotate moves every element one place on and the last to the front.
func rotate[T any](x []T) {
	last := x[len(x)-1]
	copy(x[1:], x)
	x[0] = last
}

// predictor writes the weights P of the explicit method on len(w) slopes (Hairer, Norsett, Wanner I, III.1):
//
//	sum_j gamma_j D^j f_0,   gamma_m = 1 - sum_{j<m} gamma_j / (m + 1 - j),   D f_i = f_i - f_{i+1}
func predictor(w []float64) { differences(w, 1) }

// corrector writes the weights C of the implicit method, f(t + h, y1) being the first of len(w) slopes: the same sum with
// gamma_0 = 1, gamma_m = -sum_{j<m} gamma_j / (m + 1 - j).
func corrector(w []float64) { differences(w, 0) }

// differences adds up gamma_j D^j with gamma_m = constant - ... for m > 0.
func differences(w []float64, constant float64) {
	clear(w)
	var gamma [adamsSlopes + 1]float64
	for m := range w {
		gamma[m] = constant
		if m == 0 {
			gamma[m] = 1
		}
		for j, g := range gamma[:m] {
			gamma[m] -= g / float64(m+1-j)
		}
		binomial := gamma[m] // times (-1)^i (m over i)
		for i := 0; i <= m; i++ {
			w[i] += binomial
			binomial *= -float64(m-i) / float64(i+1)
		}
	}
}
