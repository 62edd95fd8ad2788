package ode

// implicit takes the steps of a Runge-Kutta method whose stages, the first excepted, solve equations for their slope:
//
//	k_i = f(t + C_i h, base + h Gamma k_i),   base = y + h sum_{j<i} A_ij k_j
//
// by Newton's method, each of whose iterations solves (1 - h Gamma J) d = f - k_i with J = df/dx at the iterate, for the
// correction d of k_i. Only parts on which f depends take part. The slopes of the quadratures come from one more
// evaluation, at the solution.
type implicit struct {
	*workspace
	tableau    *Tableau
	rtol, atol float64
	base       State  // [active]
	f          State  // f at the iterate, all parts
	correction State  // f - k_i, then d [active]
	target     State  // scratch: where an evaluation goes
	linear     *gmres // solver of the linear systems
}

var _ stepper = (*implicit)(nil)

// The constants of the iteration.
const (
	newtonIterations = 10
	// newtonAccuracy is the part of what the step's error may be that the last correction may be: as in RADAU5 (Hairer,
	// Wanner II, IV.8), small enough not to disturb the step's error estimate.
	newtonAccuracy = 0.03
)

func newImplicit(w *workspace, m *Tableau, rtol, atol float64) *implicit {
	active := w.y[:w.active]
	return &implicit{
		workspace: w, tableau: m, rtol: rtol, atol: atol,
		base: like(w.be, active), f: like(w.be, w.y), correction: like(w.be, active), target: make(State, len(w.y)),
		linear: newGMRES(w, active),
	}
}

func (s *implicit) step(t, end, h float64) bool {
	m := s.tableau
	for i := 1; i < len(m.B); i++ {
		s.combine(s.base, h, m.A[i])
		if !s.solve(i, m.timeOf(i, t, end, h), h*m.Gamma) {
			return false
		}
	}
	s.combine(s.next, h, m.B)
	return true
}

// solve finds k_i, starting from the slope before; scale is h Gamma. It returns false if the corrections do not fall.
func (s *implicit) solve(i int, t, scale float64) bool {
	k := s.k[i][:s.active]
	s.linear.scale(k, 1, s.k[i-1])
	before := 0.0
	for n := range newtonIterations {
		s.linear.add(s.stage, 1, s.base, scale, k)
		s.evalTo(s.f, t, s.stage, Evaluation{false, -1})
		s.linear.add(s.correction, 1, s.f, -1, k)
		s.linear.solve(s.correction, scale, t, s.stage, s.f)
		s.linear.add(k, 1, k, 1, s.correction)
		size := s.size(scale)
		if size <= newtonAccuracy {
			s.quadratures(i, t, scale)
			return true
		}
		if !finite(size) || n > 0 && size > 2*before {
			return false
		}
		before = size
	}
	return false
}

// size is the Norm of h Gamma d, as the error of the step is scaled.
func (s *implicit) size(scale float64) float64 {
	coef := s.weights(scale, 0, nil)
	clear(s.rms)
	for part := range s.correction {
		s.rms[part] = s.partRMS(coef, s.correction[part:part+1], s.y[part], s.y[part], s.atol, s.rtol)
	}
	return s.problem.Norm(s.rms)
}

// quadratures evaluates the field at the solution of stage i, if it has any.
func (s *implicit) quadratures(i int, t, scale float64) {
	if s.problem.Quadrature == 0 {
		return
	}
	s.linear.add(s.stage, 1, s.base, scale, s.k[i][:s.active])
	copy(s.target, s.f[:s.active])
	copy(s.target[s.active:], s.k[i][s.active:])
	s.evalTo(s.target, t, s.stage, Evaluation{true, i})
}
