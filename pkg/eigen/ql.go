package eigen

import "math"

const epsilon = 0x1p-53 // half the distance from 1 to the next number

// implicitQL diagonalises a small tridiagonal matrix: d [n] its diagonal, e [n-1] beside it, destroyed. d becomes the
// eigenvalues, in no order, and row i of rows [n, stride] the eigenvector of d[i]; rows must be zero on entry. It is
// the QL iteration with implicit shifts (Dubrulle, Martin, Wilkinson 1968).
func implicitQL(n int, d, e, rows []float64, stride int) error {
	for i := range d {
		rows[i*stride+i] = 1
	}
	const sweeps = 60 // for one eigenvalue; two or three are usual
	for l := 0; l < n; l++ {
		for sweep := 0; ; sweep++ {
			m := l
			for m+1 < n && !(math.Abs(e[m]) <= epsilon*(math.Abs(d[m])+math.Abs(d[m+1]))) {
				m++
			}
			if m == l {
				break
			}
			if sweep == sweeps {
				return ErrNoConvergence
			}
			chase(l, m, d, e, rows, stride)
		}
	}
	return nil
}

// chase is one sweep over d[l..m], from the bottom up, with Wilkinson's shift taken at l.
func chase(l, m int, d, e, rows []float64, stride int) {
	g := (d[l+1] - d[l]) / (2 * e[l])
	g = d[m] - d[l] + e[l]/(g+math.Copysign(math.Hypot(g, 1), g))
	s, c, p := 1.0, 1.0, 0.0
	for i := m - 1; i >= l; i-- {
		f, b := s*e[i], c*e[i]
		r := math.Hypot(f, g)
		if i+1 < m {
			e[i+1] = r
		}
		if r == 0 { // the matrix splits here
			d[i+1] -= p
			return
		}
		s, c = f/r, g/r
		g = d[i+1] - p
		r = (d[i]-g)*s + 2*c*b
		p = s * r
		d[i+1] = g + p
		g = c*r - b
		upper, lower := rows[i*stride:], rows[(i+1)*stride:]
		for k := range d {
			x, y := upper[k], lower[k]
			upper[k], lower[k] = c*x-s*y, s*x+c*y
		}
	}
	d[l] -= p
	e[l] = g
	if m < len(e) {
		e[m] = 0
	}
}
