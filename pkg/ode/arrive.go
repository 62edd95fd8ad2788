package ode

import "math"

// accept keeps the steps of the samples whose error is small enough and chooses the next sizes. It returns how many
// samples reached t1.
func (s *bySample) accept() int {
	samples, arrivals, all := 0, 0, true
	for n, h := range s.h {
		s.ratio[n] *= h
		tried := h > 0
		s.failed[n] = tried && !finite(s.ratio[n])
		s.accepted[n] = tried && s.ratio[n] <= 1
		switch {
		case s.accepted[n] && s.reaches(n):
			arrivals++
			fallthrough
		case s.accepted[n]:
			samples++
		case tried:
			all = false
		}
	}
	s.trace(samples)
	if samples == 0 {
		s.stats.Rejected++
	} else {
		s.stats.Steps++
		if s.accumulator != nil {
			s.accumulate()
		}
		if arrivals > 0 {
			s.arrive()
		}
		s.move(all)
	}
	for n, h := range s.h {
		if s.accepted[n] {
			s.t[n], s.stats.LastStep = s.end[n], h
		}
		if h > 0 {
			s.h[n] = s.control.next(&s.past[n], h, s.ratio[n], s.method.Order)
		}
	}
	return arrivals
}

// trace reports the attempt, at the sample that is furthest behind, with the largest error of all.
func (s *bySample) trace(accepted int) {
	if s.problem.Trace == nil {
		return
	}
	behind, worst := -1, 0.0
	for n, h := range s.h {
		if h > 0 {
			worst = max(worst, s.ratio[n])
			if behind < 0 || (s.t[behind]-s.t[n])*s.direction > 0 {
				behind = n
			}
		}
	}
	s.problem.Trace(Attempt{
		T: s.t[behind], H: math.Copysign(s.h[behind], s.direction), Ratio: worst,
		Accepted: accepted > 0, Samples: accepted, Evaluations: s.evaluations,
	})
}

// share is the weight of slope i in the step of sample n, without h: that of the dense output at t1 if the step reaches
// it, else B_i.
func (s *bySample) share(n, i int) float64 {
	if !s.reaches(n) {
		if i < len(s.tableau.B) {
			return s.tableau.B[i]
		}
		return 0
	}
	theta := (s.t1 - s.t[n]) / (s.end[n] - s.t[n])
	p := &s.interp[i]
	return theta * (p[1] + theta*(p[2]+theta*(p[3]+theta*p[4])))
}

// accumulate adds the accepted steps to the plain quadratures, slope by slope. Samples that did not move, whose trial may
// not be finite, are held where they are.
func (s *bySample) accumulate() {
	for n, h := range s.h {
		s.moved[n] = 0
		if s.accepted[n] {
			s.moved[n] = h
		}
	}
	for i := range s.k {
		some := false
		for n, h := range s.moved {
			s.weight[n] = 0
			if h > 0 {
				s.weight[n] = s.direction * h * s.share(n, i)
				some = some || s.weight[n] != 0
			}
		}
		if some {
			t := s.stageOf(i, s.moved)
			s.accumulator.Accumulate(s.plain, t, s.stage, s.weight)
		}
	}
}

// arrive writes the results of the samples that reach t1, the dense output there, and leaves those of others.
func (s *bySample) arrive() {
	keep, take := s.weight, s.times
	for n := range keep {
		keep[n], take[n] = 1, 0
		if s.accepted[n] && s.reaches(n) {
			keep[n], take[n] = 0, 1
		}
	}
	s.coef[0], s.coef[1] = keep, take
	for i := range s.k {
		s.coef[2+i] = s.rows[1+i]
		for n, h := range s.h {
			s.rows[1+i][n] = 0
			if take[n] == 1 {
				s.rows[1+i][n] = s.direction * h * s.share(n, i)
			}
		}
	}
	for part, result := range s.result {
		if result.N > 0 {
			s.list[0] = result
			copy(s.list[1:], s.terms[part])
			s.be.CombineEach(result, s.coef, s.list...)
		}
	}
}

// move starts the next attempt where the accepted steps ended. all says that every sample is at the end of its step.
func (s *bySample) move(all bool) {
	if all {
		s.advance(true)
		return
	}
	stay, gone := s.weight, s.times
	for n, accepted := range s.accepted {
		stay[n], gone[n] = 1, 0
		if accepted {
			stay[n], gone[n] = 0, 1
		}
	}
	s.coef[0], s.coef[1] = stay, gone
	last := len(s.k) - 1
	for part, y := range s.y {
		if y.N > 0 {
			s.list[0], s.list[1] = y, s.next[part]
			s.be.CombineEach(y, s.coef[:2], s.list[:2]...)
			s.list[0], s.list[1] = s.k[0][part], s.k[last][part]
			s.be.CombineEach(s.k[0][part], s.coef[:2], s.list[:2]...)
		}
	}
}
