package ode

// stepper is one kind of method at work.
type stepper interface {
	// step computes the slopes of the step from (t, y) to end = t + h, the first of which is known, and next, the state
	// there. It returns false if equations that it had to solve did not converge.
	step(t, end, h float64) bool
}

// explicit takes the steps of an explicit Runge-Kutta method.
type explicit struct {
	*workspace
	tableau *Tableau
}

var _ stepper = (*explicit)(nil)

func (s *explicit) step(t, end, h float64) bool {
	m := s.tableau
	last := len(m.B) - 1
	for i := 1; i <= last; i++ {
		if i == last && m.FirstSameAsLast() {
			s.combine(s.next, h, m.B) // next = y + h sum_i B_i k_i, where B_last = 0
			s.eval(last, end, s.next, Evaluation{true, last})
			return true
		}
		s.combine(s.stage, h, m.A[i]) // stage = y + h sum_j A_ij k_j
		s.eval(i, m.timeOf(i, t, end, h), s.stage, Evaluation{!m.weightless(i), i})
	}
	s.combine(s.next, h, m.B)
	return true
}

// timeOf is the time of stage i: t + C_i h, but end where C_i = 1, without rounding: f may keep what depends on time only.
func (m *Tableau) timeOf(i int, t, end, h float64) float64 {
	if m.C[i] == 1 {
		return end
	}
	return t + m.C[i]*h
}
