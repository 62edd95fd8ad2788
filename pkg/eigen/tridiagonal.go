package eigen

import "math"

// panel is the number of columns reduced before the rest of the matrix is updated; block the number of reflectors
// applied together afterwards.
const (
	panel = 32
	block = 64
)

// tridiagonalise reduces a symmetric matrix [n, n] to T = H^T a H with reflectors H = H_0 H_1 ... H_{n-3},
//
//	H_i = I - tau_i v_i v_i^T,   v_i zero up to index i, 1 at i+1
//
// as LAPACK's dsytrd does. diagonal [n] and offDiagonal [n-1] receive T, tau [n-2] the factors, and row i of a
// becomes v_i. Inside a panel of columns the rest A of the matrix is left as it was and the update kept as
// A - V W^T - W V^T, w_i = tau_i A_i v_i - (tau_i/2 <w, v>) v_i; half of the work is these products A v, which are
// bound by memory, the other half is one matrix product for each panel.
func tridiagonalise(n int, a, diagonal, offDiagonal, tau []float64, threads int) {
	vwv := make([]float64, 3*panel*n) // V, W, V as rows; row p of each belongs to column i0+p
	v, w := vwv[:panel*n], vwv[panel*n:2*panel*n]
	for i0 := 0; i0 < n; i0 += panel {
		end := min(i0+panel, n)
		for i := i0; i < end; i++ {
			p := i - i0
			row := a[i*n : i*n+n]
			for q := 0; q < p; q++ {
				vq, wq := v[q*n:q*n+n], w[q*n:q*n+n]
				x, y := vq[i], wq[i]
				for j := i; j < n; j++ {
					row[j] -= x*wq[j] + y*vq[j]
				}
			}
			diagonal[i] = row[i]
			vi, wi := v[p*n:p*n+n], w[p*n:p*n+n]
			clear(vi)
			clear(wi)
			if i+1 < n {
				copy(vi[i+1:], row[i+1:])
				offDiagonal[i], tau[i] = reflector(vi[i+1:])
			}
			if i+2 < n {
				multiplySymmetric(n, i+1, a, vi, wi, threads)
				correct(n, i+1, p, v, w, tau[i])
			}
		}
		for i := i0; i < end; i++ {
			copy(a[i*n:i*n+n], v[(i-i0)*n:])
		}
		if end < n {
			copy(vwv[2*panel*n:], v)
			rest, left, right := rowMajor(a[end*n+end:], n), rowMajor(vwv[end:], n), rowMajor(vwv[panel*n+end:], n)
			product(n-end, n-end, 2*panel, -1, left.transposed(), right, rest, threads) // A -= [V W] [W V]^T
		}
	}
}

// reflector overwrites x with v, v[0] = 1, such that (I - tau v v^T) x = (beta, 0, ..., 0).
func reflector(x []float64) (beta, tau float64) {
	rest := math.Sqrt(dot(x[1:], x[1:]))
	first := x[0]
	x[0] = 1
	if rest == 0 {
		return first, 0
	}
	beta = -math.Copysign(math.Hypot(first, rest), first)
	scale := 1 / (first - beta)
	for i := range x[1:] {
		x[1+i] *= scale
	}
	return beta, (beta - first) / beta
}

// multiplySymmetric writes w[i:] = a[i:, i:] v[i:].
func multiplySymmetric(n, i int, a, v, w []float64, threads int) {
	const rows = 64
	if n-i < 4*rows {
		threads = 1
	}
	split((n-i+rows-1)/rows, threads, func(chunk int) {
		r, end := i+chunk*rows, min(i+chunk*rows+rows, n)
		var dots [4]float64
		for ; r+4 <= end; r += 4 {
			dot4(n-i, n, a[r*n+i:], v[i:], &dots)
			copy(w[r:], dots[:])
		}
		for ; r < end; r++ {
			w[r] = dot(a[r*n+i:r*n+n], v[i:])
		}
	})
}

// correct finishes row p of w: A v is turned into what it is after the panel's earlier reflectors, then into w.
func correct(n, i, p int, v, w []float64, tau float64) {
	vp, wp := v[p*n+i:p*n+n], w[p*n+i:p*n+n]
	for q := 0; q < p; q++ {
		vq, wq := v[q*n+i:q*n+n], w[q*n+i:q*n+n]
		x, y := dot(wq, vp), dot(vq, vp)
		for j := range wp {
			wp[j] -= x*vq[j] + y*wq[j]
		}
	}
	half := 0.5 * tau * tau * dot(wp, vp)
	for j := range wp {
		wp[j] = tau*wp[j] - half*vp[j]
	}
}

// reflectRows multiplies every row of rows [n, n] by H^T = H_{n-3} ... H_0 from the right: eigenvectors of T become
// those of the matrix that tridiagonalise reduced into reflectors [n, n] and tau. A block of reflectors is
// I - V t V^T with an upper triangle t, so that rows -= ((rows V) t^T) V^T.
func reflectRows(n int, rows, reflectors, tau []float64, threads int) {
	x, y := make([]float64, n*block), make([]float64, n*block)
	last := (n - 1) / block * block
	for i0 := last; i0 >= 0 && n > 2; i0 -= block {
		count, from := min(block, n-i0), i0+1
		if from >= n {
			continue
		}
		v := rowMajor(reflectors[i0*n+from:], n) // [count, n-from], the transposed V
		t := triangle(count, n-from, v, tau[i0:])
		clear(x)
		clear(y)
		part := rowMajor(rows[from:], n)
		product(n, count, n-from, 1, part, v.transposed(), rowMajor(x, block), threads)
		product(n, count, count, 1, rowMajor(x, block), rowMajor(t, block).transposed(), rowMajor(y, block), threads)
		product(n, n-from, count, -1, rowMajor(y, block), v, part, threads)
	}
}

// triangle is the matrix t [count, count], rows block apart, for which (I - tau_0 v_0 v_0^T)(I - tau_1 v_1 v_1^T)...
// is I - V t V^T (Schreiber and Van Loan, 1989); v [count, length] has the vectors as rows.
func triangle(count, length int, v matrix, tau []float64) []float64 {
	gram, t := make([]float64, block*block), make([]float64, block*block)
	product(count, count, length, 1, v, v.transposed(), rowMajor(gram, block), 1)
	for j := 0; j < count; j++ {
		for i := 0; i < j; i++ {
			s := 0.0
			for q := i; q < j; q++ {
				s += t[i*block+q] * gram[q*block+j]
			}
			t[i*block+j] = -tau[j] * s
		}
		t[j*block+j] = tau[j]
	}
	return t
}
