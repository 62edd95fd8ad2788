package ode

import (
	"math"

	"odepipe/pkg/backend"
)

// Solve integrates p from (t0, y) to t1 and returns the state there. t1 < t0 integrates backwards, with negative
// steps; t1 == t0 returns a copy of y and evaluates nothing.
//
// observe, if not nil, sees every accepted step in order; methods that do not evaluate f at the end of a step anyway
// then do so once more in all. With steps of chosen size the last one may pass t1, the state at t1 being its dense
// output; Dense.To stops at t1. Methods for stiff fields end at t1: their steps may be too long for their dense output.
// y is not modified. The result is in arena memory allocated before all scratch of the solve, which is released.
//
// It returns an error that wraps ErrOptions, or an *Error around one of the other errors of this package or the error of
// the backend; the Stats are true in any case. It panics if p.Quadrature exceeds the number of parts.
func Solve(be backend.Backend, p Problem, y State, t0, t1 float64, o Options, observe func(*Dense)) (State, Stats, error) {
	if p.Quadrature < 0 || p.Quadrature > len(y) {
		panic("ode: more quadratures than parts")
	}
	plan, err := o.plan(t0, t1)
	if err == nil && plan.separate() {
		err = separable(p, y, observe != nil)
	}
	if err != nil {
		return nil, Stats{}, err
	}
	result := like(be, y)
	if t0 == t1 {
		for part := range y {
			be.Combine(result[part], one, y[part])
		}
		return result, Stats{}, nil
	}
	mark := be.Mark()
	defer be.Release(mark)
	var stats Stats
	if plan.separate() {
		stats, err = newBySample(be, p, plan, y, result).run()
	} else {
		stats, err = newSolve(be, p, plan, y, observe).run(result)
	}
	if err != nil {
		return nil, stats, err
	}
	return result, stats, nil
}

// solve is a solve whose samples have their steps in common.
type solve struct {
	plan
	*workspace
	stepper
	reuses  bool // the last slope of a step is the first of the next
	lands   bool // the last step is cut to end at t1; else it may pass that
	observe func(*Dense)
	t       float64 // start of the step in hand
	dense   Dense   // of the last accepted step
	stats   Stats
}

// newSolve allocates the memory of a solve.
func newSolve(be backend.Backend, p Problem, plan plan, y State, observe func(*Dense)) *solve {
	s := &solve{plan: plan, observe: observe, t: plan.t0}
	m := plan.method.Tableau
	switch {
	case m == nil:
		s.workspace = newWorkspace(be, p, slopesOfAdams, y)
		s.stepper = newMultistep(s.workspace, plan.method.Iterates, plan.RTol, plan.ATol)
	case m.Gamma != 0:
		s.workspace = newWorkspace(be, p, m.Slopes(), y)
		s.stepper = newImplicit(s.workspace, m, plan.RTol, plan.ATol)
		s.lands = true
	default:
		s.workspace = newWorkspace(be, p, m.Slopes(), y)
		s.stepper = &explicit{s.workspace, m}
	}
	if m != nil {
		s.interp, s.reuses = m.interpolant(), m.reuses()
	}
	s.dense = Dense{be: be, interp: s.interp, coef: make([]float64, 1+len(s.k)), terms: s.terms}
	return s
}

// run integrates to t1 and writes the state there.
func (s *solve) run(result State) (Stats, error) {
	var err error
	if s.chosen() {
		err = s.adaptive()
	} else {
		err = s.fixed()
	}
	if err == nil {
		err = s.finish(result)
	}
	s.stats.Evaluations, s.stats.JVPs = s.evaluations, s.jvps
	return s.stats, err
}

// begin evaluates f at t0 and checks both the state and f.
func (s *solve) begin() error {
	if !s.finite(s.y) {
		return s.inHand(0, ErrNonFinite)
	}
	s.eval(0, s.t, s.y, Evaluation{true, 0})
	if !s.finite(s.k[0]) {
		return s.inHand(0, ErrNonFinite)
	}
	return nil
}

// adaptive takes steps of the sizes that the controller chooses until one reaches t1.
func (s *solve) adaptive() error {
	if err := s.begin(); err != nil {
		return err
	}
	h := s.FirstStep
	if h == 0 {
		h = s.firstStep(s.t, s.direction, s.ATol, s.RTol, s.method.Order)
	}
	past := growth{1, 1}
	underflow := ErrStepUnderflow // the reason, should h become too small
	for s.before(s.t) {
		h = min(h, s.DtMax)
		end := s.t + s.direction*h
		switch {
		case s.stats.Steps+s.stats.Rejected == s.MaxSteps:
			return s.inHand(h, ErrTooManySteps)
		case end == s.t || h < s.DtMin:
			return s.inHand(h, underflow)
		}
		if s.lands && !s.before(end) {
			end, h = s.t1, math.Abs(s.t1-s.t)
		}
		ratio, solved := s.try(end, h)
		if err := s.be.Err(); err != nil {
			return s.inHand(h, err)
		}
		underflow = ErrStepUnderflow
		if solved && !finite(ratio) {
			underflow = ErrNonFinite
		}
		start, accepted := s.t, ratio <= 1
		if accepted {
			s.accept(h, end)
		} else {
			s.stats.Rejected++
		}
		s.trace(start, h, ratio, accepted)
		h = s.control.next(&past, h, ratio, s.method.Order)
	}
	return nil
}

// try takes the step of size h to end and returns the norm of its scaled error. Equations that were not solved count as
// an error that is not finite.
func (s *solve) try(end, h float64) (ratio float64, solved bool) {
	s.passes = (end-s.t1)*s.direction > 0
	if !s.step(s.t, end, s.direction*h) {
		return math.NaN(), false
	}
	return s.norm(0, s.direction*h, s.method.Tableau.E, s.next, s.ATol, s.RTol), true
}

// fixed takes steps to the grid points t0, t0 + Step, t0 + 2 Step, ..., t1, as many as torchdiffeq, which counts
// them as ceil(|t1 - t0| / Step + 1) - 1.
func (s *solve) fixed() error {
	size, t0 := s.Step, s.t
	if size == 0 {
		size = math.Abs(s.t1 - t0)
	}
	steps := math.Ceil(math.Abs(s.t1-t0)/size+1) - 1
	if steps > float64(s.MaxSteps) {
		return s.inHand(size, ErrTooManySteps)
	}
	if err := s.begin(); err != nil {
		return err
	}
	known := true // the first slope
	for i := 1.; s.before(s.t); i++ {
		end := t0 + s.direction*size*i
		if i >= steps || !s.before(end) {
			end = s.t1
		}
		h := end - s.t
		if h == 0 {
			continue // a step too small for t
		}
		if !known {
			s.eval(0, s.t, s.y, Evaluation{true, 0})
		}
		solved := s.step(s.t, end, h)
		good := s.finite(s.next)
		if err := s.be.Err(); err != nil {
			return s.inHand(h, err)
		}
		if !solved {
			return s.inHand(h, ErrUnsolved)
		}
		if !good {
			return s.inHand(h, ErrNonFinite)
		}
		start := s.t
		known = s.accept(math.Abs(h), end)
		s.trace(start, h, math.NaN(), true)
	}
	return nil
}

// before says whether t has not reached t1 yet.
func (s *solve) before(t float64) bool { return (s.t1-t)*s.direction > 0 }

// accept keeps the step of size h to end: it is observed, and the next one starts there. It returns whether the next
// step's first slope is known.
func (s *solve) accept(h, end float64) bool {
	known := s.reuses
	if !known && (s.chosen() || s.observe != nil) {
		s.eval(len(s.k)-1, end, s.next, Evaluation{true, len(s.k) - 1})
		known = true
	}
	s.dense.start, s.dense.end, s.dense.h = s.t, end, s.direction*h
	s.dense.From, s.dense.To = s.t, end
	if !s.before(end) {
		s.dense.To = s.t1
	}
	s.stats.Steps++
	s.stats.LastStep = h
	if s.observe != nil {
		s.observe(&s.dense)
	}
	s.t = end
	if s.before(end) {
		s.advance(known)
	}
	return known
}

// finish writes the state at t1, which the last step reached or passed.
func (s *solve) finish(result State) error {
	if s.t == s.t1 {
		for part := range result {
			s.be.Combine(result[part], one, s.next[part])
		}
	} else {
		s.dense.At(result, s.t1)
	}
	good := s.finite(result)
	if err := s.be.Err(); err != nil {
		return s.failure(err, s.stats.Steps, s.t1, s.stats.LastStep)
	}
	if !good {
		return s.failure(ErrNonFinite, s.stats.Steps, s.t1, s.stats.LastStep)
	}
	return nil
}

// inHand says that the step in hand, of size h, failed.
func (s *solve) inHand(h float64, err error) error {
	return s.failure(err, s.stats.Steps+1, s.t, math.Abs(h))
}

// failure adds to err where it happened; a state that is not finite has just been measured.
func (s *solve) failure(err error, step int, t, h float64) error {
	sample := -1
	if err == ErrNonFinite {
		sample = s.sample
	}
	return &Error{Block: s.problem.Block, T: t, H: h, Step: step, Sample: sample, Err: err}
}
