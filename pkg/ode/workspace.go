package ode

import (
	"math"

	"odepipe/pkg/backend"
	"odepipe/pkg/tensor"
)

// workspace is what a stepper works on: the state at both ends of a step, the slopes between them, and the operations on
// these. All is arena memory of one solve.
type workspace struct {
	be      backend.Backend
	problem Problem

	active      int          // number of leading parts on which f depends
	samples     int          // of the batch; 1 without one
	y, next     State        // at the start of the step, and at its end
	stage       State        // argument of f inside the step [active]
	k           []State      // slopes; the first is f at the start of a step, the last f at its end
	terms       [][]tensor.T // of every part: y and its slopes, as Combine takes them
	interp      [][5]float64 // the dense output of the step: one polynomial for each slope, see Tableau.interpolant
	at          [1]float64   // time of the evaluation in hand
	coef        []float64    // scratch [1 + slopes]
	sum, rms    []float64    // scratch: of one part by sample, of the state by part
	sample      int          // first sample not finite in the last measurement, or -1
	passes      bool         // the step in hand goes beyond t1
	evaluations int
	jvps        int
}

// newWorkspace allocates the workspace for steps of so many slopes, and starts from a copy of y.
func newWorkspace(be backend.Backend, p Problem, slopes int, y State) *workspace {
	if p.Norm == nil {
		p.Norm = Max
	}
	active := len(y) - p.Quadrature
	s := &workspace{
		be: be, problem: p, active: active, samples: 1,
		y: like(be, y), next: like(be, y), stage: like(be, y[:active]),
		k: make([]State, slopes), terms: make([][]tensor.T, len(y)),
		coef: make([]float64, 1+slopes), rms: make([]float64, len(y)),
	}
	for i := range s.k {
		s.k[i] = like(be, y)
	}
	for part := range y {
		s.samples = max(s.samples, y[part].N)
		if !absent(y[part]) {
			be.Combine(s.y[part], one, y[part])
		}
		s.terms[part] = make([]tensor.T, 1+slopes)
	}
	s.gather()
	s.sum = make([]float64, s.samples)
	return s
}

// gather lists the terms of every part anew, after y or slopes have changed places.
func (s *workspace) gather() {
	for part, terms := range s.terms {
		terms[0] = s.y[part]
		for i := range s.k {
			terms[1+i] = s.k[i][part]
		}
	}
}

var one = []float64{1}

// eval writes slope i = f(t, y).
func (s *workspace) eval(i int, t float64, y State, e Evaluation) {
	s.evalTo(s.k[i], t, y, e)
}

// evalTo writes dst = f(t, y).
func (s *workspace) evalTo(dst State, t float64, y State, e Evaluation) {
	s.at[0] = t
	if s.passes {
		e.Stage = -1
	}
	s.problem.Field.Eval(dst, s.at[:], y[:s.active], e)
	s.evaluations++
}

// combine writes dst = y + h sum_i w_i k_i for the parts that dst has.
func (s *workspace) combine(dst State, h float64, w []float64) {
	coef := s.weights(1, h, w)
	for part := range dst {
		s.be.Combine(dst[part], coef, s.terms[part][:len(coef)]...)
	}
}

// weights is the row (c, h w_1, h w_2, ...) of coefficients of y, k_1, k_2, ...
func (s *workspace) weights(c, h float64, w []float64) []float64 {
	coef := s.coef[:1+len(w)]
	coef[0] = c
	for i, wi := range w {
		coef[1+i] = h * wi
	}
	return coef
}

// norm is the Norm of (c y + h sum_i w_i k_i) / (atol + rtol max(|y|, |y1|)).
func (s *workspace) norm(c, h float64, w []float64, y1 State, atol, rtol float64) float64 {
	coef := s.weights(c, h, w)
	s.sample = -1
	for part := range s.y {
		s.rms[part] = s.partRMS(coef, s.terms[part][:len(coef)], s.y[part], y1[part], atol, rtol)
	}
	return s.problem.Norm(s.rms)
}

// partRMS is sqrt(mean((sum_i coef_i x_i / (atol + rtol max(|y0|, |y1|)))^2)), the mean over all valid elements of a part.
func (s *workspace) partRMS(coef []float64, x []tensor.T, y0, y1 tensor.T, atol, rtol float64) float64 {
	sum := s.sum[:max(y0.N, 1)]
	clear(sum)
	s.be.ScaledSquares(sum, coef, x, y0, y1, atol, rtol)
	total := 0.0
	for n, square := range sum {
		total += square
		if !finite(square) && s.sample < 0 && y0.N > 0 {
			s.sample = n
		}
	}
	if y0.Size() == 0 {
		return 0
	}
	return math.Sqrt(total / float64(y0.Size()))
}

// finite says whether all elements of a state are finite: x / (1 + |x|) then is, and its square does not overflow.
func (s *workspace) finite(state State) bool {
	s.sample = -1
	good := true
	for part := range state {
		if absent(state[part]) {
			continue
		}
		x := state[part : part+1]
		good = good && finite(s.partRMS(one, x, x[0], x[0], 1, 1))
	}
	return good
}

// advance starts the next step where this one ended. known says that the last slope is f there.
func (s *workspace) advance(known bool) {
	s.y, s.next = s.next, s.y
	last := len(s.k) - 1
	if known {
		s.k[0], s.k[last] = s.k[last], s.k[0]
	}
	for part, terms := range s.terms {
		terms[0] = s.y[part]
		terms[1], terms[1+last] = s.k[0][part], s.k[last][part]
	}
}
