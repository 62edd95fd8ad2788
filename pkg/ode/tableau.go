package ode

import "slices"

// Tableau is the coefficients of a Runge-Kutta method of s stages. One step from (t, y) with step h is
//
//	k_i = f(t + C_i h, Y_i),   Y_i = y + h sum_{j<i} A_ij k_j + h Gamma k_i     i = 1..s
//	y1  = y + h sum_i B_i k_i
//	e   = h sum_i E_i k_i      y1 minus the embedded solution, of order one less but for fehlberg2 and adaptive_heun too
//
// and y(t + h/2) is about y + h sum_i Mid_i k_i. C, B, E and Mid have length s; row i of A has i entries. The first
// stage is explicit always: Y_1 = y.
//
// The slopes of a step are k_1..k_s and, unless k_s serves as such, k_{s+1} = f(t + h, y1). Q are weights of the
// points at which they are evaluated, none of them negative: for any g,
//
//	h sum_i Q_i g(t + C_i h, Y_i)   is about the integral of g(t, y(t)) over the step, to order QOrder
//
// with (t + h, y1) as the last point. Where B has no negative entry Q is B. Elsewhere Q solves the order conditions of
// all rooted trees of up to QOrder nodes, the highest order for which they have a solution that is not negative; of
// the solutions with the fewest entries it is the one that violates those of the next order least.
type Tableau struct {
	C      []float64
	A      [][]float64
	Gamma  float64 // 0: explicit; else k_2..k_s solve equations
	B      []float64
	E      []float64 // nil: no error estimate, steps of fixed size
	Mid    []float64 // nil: the dense output is the cubic Hermite polynomial
	Q      []float64
	QOrder int
	// Carry takes k_s for the first slope of the next step though it is f(t + h, Y_s) with Y_s of lower order than y1,
	// torchdiffeq's way with its methods of order 2. That costs them an error of their own order and saves an evaluation.
	Carry bool
}

// FirstSameAsLast says whether the last stage is f(t + h, y1), the next step's first.
func (m *Tableau) FirstSameAsLast() bool {
	last := len(m.B) - 1
	return last > 0 && m.C[last] == 1 && m.B[last] == m.Gamma && slices.Equal(m.A[last], m.B[:last])
}

// reuses says whether the last stage is the next step's first slope.
func (m *Tableau) reuses() bool { return m.Carry || m.FirstSameAsLast() }

// weightless says whether k_i enters neither the solution nor the error nor the dense output, only later stages.
func (m *Tableau) weightless(i int) bool {
	return m.B[i] == 0 && (m.E == nil || m.E[i] == 0) && (m.Mid == nil || m.Mid[i] == 0) && i > 0 && i < len(m.B)-1
}

// Slopes is the number of derivatives that the dense output combines: the stages and, unless the last of them serves as
// that already, f(t + h, y1).
func (m *Tableau) Slopes() int {
	if m.reuses() {
		return len(m.B)
	}
	return len(m.B) + 1
}

// interpolant writes the dense output as y(t + theta h) = y + h sum_i p_i(theta) k_i, k_last = f(t + h, y1): result
// [Slopes] holds the coefficients of theta^0..theta^4 of every p_i. Without Mid it is the cubic through y and y1 with
// slopes k_1 and k_last; with it the quartic that also passes through the value at the middle, torchdiffeq's.
func (m *Tableau) interpolant() [][5]float64 {
	p := make([][5]float64, m.Slopes())
	if m.Mid == nil {
		hermite(p, m.B, 0)
		return p
	}
	for i, b := range m.B {
		mid := m.Mid[i]
		p[i] = [5]float64{2: 16*mid - 5*b, 3: 14*b - 32*mid, 4: 16*mid - 8*b}
	}
	first, last := &p[0], &p[len(p)-1]
	first[1] = 1
	first[2] -= 4
	first[3] += 5
	first[4] -= 2
	last[2] += 1
	last[3] -= 3
	last[4] += 2
	return p
}

// hermite writes the polynomials of the cubic through y and y1 = y + h sum_i b_i k_i with the slopes k_first at y and
// the last of p's at y1.
func hermite(p [][5]float64, b []float64, first int) {
	clear(p)
	for i, bi := range b {
		p[i] = [5]float64{2: 3 * bi, 3: -2 * bi}
	}
	p[first][1] = 1
	p[first][2] -= 2
	p[first][3] += 1
	last := &p[len(p)-1]
	last[2] -= 1
	last[3] += 1
}
