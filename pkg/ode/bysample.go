package ode

import (
	"fmt"
	"math"

	"odepipe/pkg/backend"
	"odepipe/pkg/tensor"
)

// Accumulator is a field that integrates its plain quadratures, sums over the samples, where every sample has steps of
// its own: Eval cannot, and is then given the zero T in their place.
type Accumulator interface {
	Field
	// Accumulate adds to the plain quadratures q, in order, sum_n weight[n] times the derivative that sample n at
	// (t[n], y[n]) contributes. weight [samples] is 0 for samples that contribute nothing; their y are numbers all the same.
	Accumulate(q State, t []float64, y State, weight []float64)
}

// bySample is a solve in which every sample keeps its own time, step and acceptance (Lienen and Guennemann 2022,
// torchode). A sample that has reached t1 stands still, with h = 0. Coefficients of samples are rows:
//
//	Y_i[n] = y[n] + h[n] sum_j A_ij k_j[n]
//
// An attempt is one step of all samples that have not finished, each with its own h.
type bySample struct {
	plan
	*workspace
	tableau *Tableau

	t, end, h []float64 // of every sample: start and end of its step, units of t; its size, 0 once it has finished
	ratio     []float64 // norm of the scaled error
	accepted  []bool
	past      []growth
	failed    []bool // the last trial was not finite

	times, weight []float64   // scratch [samples]
	moved         []float64   // scratch: h of accepted steps, else 0 [samples]
	squares       [][]float64 // scratch [parts][samples]
	rows          [][]float64 // scratch [1 + slopes][samples]; the first is ones, for y
	coef          [][]float64 // scratch: rows, or nil where all are 0 [2 + slopes]
	list          []tensor.T  // scratch: the terms of one part [2 + slopes]
	result        State       // at t1, sample by sample as they arrive; plain quadratures as they grow
	plain         State       // the plain quadratures of result
	accumulator   Accumulator // nil if there are none
	stats         Stats
}

// separable says why the samples of a state cannot have steps of their own, if so. The error wraps ErrOptions.
func separable(p Problem, y State, observed bool) error {
	batches := 0
	_, accumulates := p.Field.(Accumulator)
	for i, part := range y {
		switch {
		case part.N > 0:
			batches++
		case i < len(y)-p.Quadrature:
			return fmt.Errorf("control sample: part %d of the state has no samples, and the field depends on it: %w", i, ErrOptions)
		case !accumulates:
			return fmt.Errorf("control sample: part %d of the state is a sum over samples, and the field is no Accumulator: %w", i, ErrOptions)
		}
	}
	if batches == 0 {
		return fmt.Errorf("control sample: no samples: %w", ErrOptions)
	}
	if observed {
		return fmt.Errorf("control sample: steps cannot be observed: %w", ErrOptions)
	}
	return nil
}

// newBySample allocates the memory of a solve. result has the shapes of y.
func newBySample(be backend.Backend, p Problem, plan plan, y, result State) *bySample {
	batches := make(State, len(y)) // y without its plain parts
	s := &bySample{plan: plan, tableau: plan.method.Tableau, result: result}
	for part := range y {
		if y[part].N > 0 {
			batches[part] = y[part]
			continue
		}
		be.Combine(result[part], one, y[part])
		s.plain = append(s.plain, result[part])
	}
	if len(s.plain) > 0 {
		s.accumulator = p.Field.(Accumulator)
	}
	s.workspace = newWorkspace(be, p, s.tableau.Slopes(), batches)
	s.interp = s.tableau.interpolant()
	n, slopes := s.samples, len(s.k)
	numbers := make([]float64, (8+slopes+len(y))*n)
	row := func() []float64 {
		r := numbers[:n:n]
		numbers = numbers[n:]
		return r
	}
	s.t, s.end, s.h, s.ratio, s.times, s.weight, s.moved = row(), row(), row(), row(), row(), row(), row()
	s.accepted, s.failed, s.past = make([]bool, n), make([]bool, n), make([]growth, n)
	s.rows, s.coef, s.list = make([][]float64, 1+slopes), make([][]float64, 2+slopes), make([]tensor.T, 2+slopes)
	for i := range s.rows {
		s.rows[i] = row()
	}
	s.squares = make([][]float64, len(y))
	for i := range s.squares {
		s.squares[i] = row()
	}
	for i := range n {
		s.t[i], s.past[i], s.rows[0][i] = s.t0, growth{1, 1}, 1
	}
	return s
}

// run integrates all samples to t1.
func (s *bySample) run() (Stats, error) {
	err := s.integrate()
	s.stats.Evaluations = s.evaluations
	return s.stats, err
}

func (s *bySample) integrate() error {
	if err := s.begin(); err != nil {
		return err
	}
	for left := s.samples; left > 0; {
		if err := s.prepare(); err != nil {
			return err
		}
		s.step()
		s.norms(s.ratio, 0, s.tableau.E, s.next) // of the error without h
		if err := s.be.Err(); err != nil {
			return s.failure(err, -1)
		}
		left -= s.accept()
	}
	good := s.finite(s.result)
	if err := s.be.Err(); err != nil {
		return s.failure(err, -1)
	}
	if !good {
		return s.failure(ErrNonFinite, s.sample)
	}
	return nil
}

// begin evaluates f at t0, checks state and f, and selects the first steps as firstStep does.
func (s *bySample) begin() error {
	if !s.finite(s.y) {
		return s.failure(ErrNonFinite, s.sample)
	}
	s.evalEach(0, s.t, s.y, Evaluation{true, 0})
	if !s.finite(s.k[0]) {
		return s.failure(ErrNonFinite, s.sample)
	}
	if s.FirstStep > 0 {
		for n := range s.h {
			s.h[n] = s.FirstStep
		}
		return nil
	}
	d0, d1 := s.end, s.ratio // free until the first attempt
	s.norms(d0, 1, nil, s.y)
	s.norms(d1, 0, one, s.y)
	for n := range s.h {
		s.h[n] = firstTrial(d0[n], d1[n])
		s.times[n] = s.t[n] + s.direction*s.h[n]
	}
	s.combineEach(s.stage, s.h, one)
	s.evalEach(1, s.times, s.stage, Evaluation{true, -1})
	d2 := d0
	s.norms(d2, 0, []float64{-1, 1}, s.y)
	for n := range s.h {
		s.h[n] = firstSize(s.h[n], d1[n], d2[n]/s.h[n], s.method.Order)
	}
	return nil
}

// prepare fixes size and end of every sample's step.
func (s *bySample) prepare() error {
	for n := range s.t {
		if s.finished(n) {
			s.h[n], s.end[n] = 0, s.t[n]
			continue
		}
		s.h[n] = min(s.h[n], s.DtMax)
		s.end[n] = s.t[n] + s.direction*s.h[n]
		switch {
		case s.stats.Steps+s.stats.Rejected == s.MaxSteps:
			return s.failure(ErrTooManySteps, n)
		case s.end[n] != s.t[n] && s.h[n] >= s.DtMin:
		case s.failed[n]:
			return s.failure(ErrNonFinite, n)
		default:
			return s.failure(ErrStepUnderflow, n)
		}
	}
	return nil
}

// step computes all slopes but the first, and next.
func (s *bySample) step() {
	m := s.tableau
	last := len(m.B) - 1
	for i := 1; i <= last; i++ {
		if i == last && m.FirstSameAsLast() {
			break
		}
		s.evalEach(i, s.stageOf(i, s.h), s.stage, Evaluation{!m.weightless(i), i})
	}
	s.combineEach(s.next, s.h, m.B)
	if m.FirstSameAsLast() {
		s.evalEach(last, s.end, s.next, Evaluation{true, last})
	}
}

// stageOf writes the argument of stage i in steps of sizes h and returns its times.
func (s *bySample) stageOf(i int, h []float64) []float64 {
	s.combineEach(s.stage, h, s.tableau.A[i])
	for n := range s.times {
		s.times[n] = s.tableau.timeOf(i, s.t[n], s.end[n], s.direction*s.h[n])
	}
	return s.times
}

// norms writes for every sample the Norm of (c y + sum_i w_i k_i) / (atol + rtol max(|y|, |y1|)), the means being over the
// elements of a part in this sample; plain parts count as 0.
func (s *bySample) norms(dst []float64, c float64, w []float64, y1 State) {
	coef := s.weights(c, 1, w)
	for part, y := range s.y {
		if y.N > 0 {
			clear(s.squares[part])
			s.be.ScaledSquares(s.squares[part], coef, s.terms[part][:len(coef)], y, y1[part], s.ATol, s.RTol)
		}
	}
	for n := range dst {
		for part, y := range s.y {
			s.rms[part] = 0
			if y.N > 0 && y.Size() > 0 {
				s.rms[part] = math.Sqrt(s.squares[part][n] / float64(y.Shape.Size()))
			}
		}
		dst[n] = s.problem.Norm(s.rms)
	}
}

// combineEach writes dst[n] = y[n] + h[n] sum_i w_i k_i[n] in the batches that dst has.
func (s *bySample) combineEach(dst State, h, w []float64) {
	s.coef[0] = s.rows[0]
	for i, wi := range w {
		s.coef[1+i] = nil
		if wi != 0 {
			s.coef[1+i] = s.rows[1+i]
			for n := range h {
				s.rows[1+i][n] = s.direction * h[n] * wi
			}
		}
	}
	for part := range dst {
		if dst[part].N > 0 {
			s.be.CombineEach(dst[part], s.coef[:1+len(w)], s.terms[part][:1+len(w)]...)
		}
	}
}

// evalEach writes slope i = f(t, y), each sample at a time of its own.
func (s *bySample) evalEach(i int, t []float64, y State, e Evaluation) {
	s.problem.Field.Eval(s.k[i], t, y[:s.active], e)
	s.evaluations++
}

// reaches says whether the step of sample n ends at t1 or beyond.
func (s *bySample) reaches(n int) bool { return (s.t1-s.end[n])*s.direction <= 0 }

// finished says whether sample n has reached t1.
func (s *bySample) finished(n int) bool { return (s.t1-s.t[n])*s.direction <= 0 }

// failure says where sample n failed.
func (s *bySample) failure(err error, n int) error {
	e := &Error{Block: s.problem.Block, Step: s.stats.Steps + s.stats.Rejected + 1, Sample: n, Err: err}
	if n >= 0 {
		e.T, e.H = s.t[n], s.h[n]
	}
	return e
}
