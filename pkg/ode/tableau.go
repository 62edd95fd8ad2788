package ode

import "slices"

// Tableau is an explicit Runge-Kutta method of s stages. One step from (t, y) with step h is
//
//	k_i = f(t + C_i h, y + h sum_{j<i} A_ij k_j)     i = 1..s
//	y1  = y + h sum_i B_i k_i                        of order Order
//	e   = h sum_i E_i k_i                            y1 minus the embedded solution, of order Order - 1
//
// and y(t + h/2) is about y + h sum_i Mid_i k_i. C, B, E and Mid have length s; row i of A has i entries.
type Tableau struct {
	Name  string
	Order int
	C     []float64
	A     [][]float64
	B     []float64
	E     []float64 // nil: no error estimate, steps of fixed size
	Mid   []float64 // nil: the dense output is the cubic Hermite polynomial
}

// Adaptive says whether the method estimates its error, so that a controller can choose the steps.
func (m Tableau) Adaptive() bool { return m.E != nil }

// FirstSameAsLast says whether the last stage is f(t + h, y1), the next step's first.
func (m Tableau) FirstSameAsLast() bool {
	last := len(m.B) - 1
	return last > 0 && m.C[last] == 1 && m.B[last] == 0 && slices.Equal(m.A[last], m.B[:last])
}

// weightless says whether k_i enters neither the solution nor the error nor the dense output, only later stages.
func (m Tableau) weightless(i int) bool {
	return m.B[i] == 0 && (m.E == nil || m.E[i] == 0) && (m.Mid == nil || m.Mid[i] == 0) && i > 0 && i < len(m.B)-1
}

// slopes is the number of derivatives that the dense output combines: the stages and, unless the last of them is
// that already, f(t + h, y1).
func (m Tableau) slopes() int {
	if m.FirstSameAsLast() {
		return len(m.B)
	}
	return len(m.B) + 1
}

// interpolant writes the dense output as y(t + theta h) = y + h sum_i p_i(theta) k_i, k_last = f(t + h, y1): result
// [slopes] holds the coefficients of theta^0..theta^4 of every p_i. Without Mid it is the cubic through y and y1 with
// slopes k_1 and k_last; with it the quartic that also passes through the value at the middle, torchdiffeq's.
func (m Tableau) interpolant() [][5]float64 {
	p := make([][5]float64, m.slopes())
	for i, b := range m.B {
		if m.Mid == nil {
			p[i] = [5]float64{2: 3 * b, 3: -2 * b}
		} else {
			mid := m.Mid[i]
			p[i] = [5]float64{2: 16*mid - 5*b, 3: 14*b - 32*mid, 4: 16*mid - 8*b}
		}
	}
	first, last := &p[0], &p[len(p)-1]
	first[1] = 1
	if m.Mid == nil {
		first[2] -= 2
		first[3] += 1
		last[2] -= 1
		last[3] += 1
		return p
	}
	first[2] -= 4
	first[3] += 5
	first[4] -= 2
	last[2] += 1
	last[3] -= 3
	last[4] += 2
	return p
}
