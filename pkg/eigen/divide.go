package eigen

import (
	"math"
	"sort"
	"sync"
)

// leaf is the size up to which a tridiagonal matrix is solved directly.
const leaf = 32

// divideAndConquer diagonalises a tridiagonal matrix (Cuppen 1981; Gu and Eisenstat 1995). It is torn at the middle,
//
//	T = diag(T1, T2) + |b| v v^T,   v = (0, ..., 0, 1, sign b, 0, ..., 0)
//
// and with the halves solved, T1 = Q1 D1 Q1^T and T2 = Q2 D2 Q2^T, what is left is a diagonal matrix and one rank:
// D + rho z z^T (secular.go), whose eigenvectors times diag(Q1, Q2) are those of T.
//
// d [n] is the diagonal on entry, ascending eigenvalues on return; e [n-1] is destroyed. rows [n, n] must be zero on
// entry and has the eigenvectors as rows on return.
func divideAndConquer(n int, d, e, rows []float64, threads int) error {
	t := tearing{n: n, d: d, e: e, rows: rows, gathered: make([]float64, n*n), roots: make([]float64, n*n), product: make([]float64, n*n)}
	return t.solve(0, n, threads)
}

// tearing is the problem and its working memory; a part [lo, hi) of the problem owns d[lo:hi], the square rows[lo:hi,
// lo:hi], and the lines lo..hi of the three workspaces, which it lays out with stride hi-lo.
type tearing struct {
	n                        int
	d, e                     []float64
	rows                     []float64
	gathered, roots, product []float64
}

// solve diagonalises the part [lo, hi).
func (t *tearing) solve(lo, hi, threads int) error {
	if hi-lo <= leaf {
		return t.solveLeaf(lo, hi)
	}
	mid := (lo + hi) / 2
	b := t.e[mid-1]
	t.d[mid-1] -= math.Abs(b)
	t.d[mid] -= math.Abs(b)
	var errs [2]error
	if threads > 1 {
		var left sync.WaitGroup
		left.Add(1)
		go func() {
			defer left.Done()
			errs[0] = t.solve(lo, mid, threads/2)
		}()
		errs[1] = t.solve(mid, hi, threads-threads/2)
		left.Wait()
	} else {
		errs[0], errs[1] = t.solve(lo, mid, 1), t.solve(mid, hi, 1)
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return t.merge(lo, mid, hi, b, threads)
}

func (t *tearing) solveLeaf(lo, hi int) error {
	m, n := hi-lo, t.n
	if m == 0 {
		return nil
	}
	d, square := t.d[lo:hi], t.gathered[lo*n:lo*n+m*m]
	clear(square)
	if err := implicitQL(m, d, t.e[lo:hi-1], square, m); err != nil {
		return err
	}
	order, values := ascending(d), append([]float64(nil), d...)
	for r, i := range order {
		d[r] = values[i]
		copy(t.rows[(lo+r)*n+lo:(lo+r)*n+hi], square[i*m:i*m+m])
	}
	return nil
}

// merge solves [lo, hi) from its halves, torn at the off-diagonal element b before mid.
func (t *tearing) merge(lo, mid, hi int, b float64, threads int) error {
	m, n, half := hi-lo, t.n, mid-lo
	d, z := t.d[lo:hi], make([]float64, m)
	for i := range z { // z = diag(Q1, Q2)^T v / sqrt 2
		if i < half {
			z[i] = t.rows[(lo+i)*n+mid-1] / math.Sqrt2
		} else {
			z[i] = math.Copysign(1/math.Sqrt2, b) * t.rows[(lo+i)*n+mid]
		}
	}
	rho := 2 * math.Abs(b)
	kept := t.deflate(lo, half, hi, rho, z)
	t.gather(lo, half, hi, kept)
	k := len(kept.order)
	values := make([]float64, m)
	poles, weights := make([]float64, k), make([]float64, k)
	for i, j := range kept.ascending {
		poles[i], weights[i] = d[j], z[j]
	}
	for i, j := range kept.deflated {
		values[k+i] = d[j]
	}
	roots := t.roots[lo*n : lo*n+k*k]
	if err := secularEigenvectors(rho, poles, weights, values[:k], roots, kept.position, threads); err != nil {
		return err
	}
	// new rows = roots gathered; rows of the first kind are zero right of the tear, those of the third left of it
	out := t.product[lo*n : lo*n+k*m]
	clear(out)
	upper, lower := kept.kinds[0]+kept.kinds[1], kept.kinds[0]
	gathered := t.gathered[lo*n : lo*n+m*m]
	product(k, half, upper, 1, rowMajor(roots, max(k, 1)), rowMajor(gathered, m), rowMajor(out, m), threads)
	if lower < k {
		product(k, m-half, k-lower, 1, rowMajor(roots[lower:], k), rowMajor(gathered[lower*m+half:], m), rowMajor(out[half:], m), threads)
	}
	for r, i := range ascending(values) {
		d[r] = values[i]
		source := gathered[i*m : i*m+m]
		if i < k {
			source = out[i*m : i*m+m]
		}
		copy(t.rows[(lo+r)*n+lo:(lo+r)*n+hi], source)
	}
	return nil
}

// kept says which of a part's eigenvectors take part in the rank-one problem. Indices count from the part's start.
type kept struct {
	ascending []int  // those that do, by eigenvalue
	order     []int  // the same, by kind: zero right of the tear, full, zero left of it
	position  []int  // where ascending[i] stands in order
	kinds     [3]int // how many of each kind
	deflated  []int  // those that do not: they are eigenvectors of the whole already
}

// deflate sorts the part's eigenvectors into those that the rank-one term couples and those it does not: z_i is
// negligible, or two eigenvalues so close that a rotation of their plane makes one z_i zero (Dongarra and Sorensen
// 1987). It rotates rows, d and z accordingly.
func (t *tearing) deflate(lo, half, hi int, rho float64, z []float64) kept {
	m, n := hi-lo, t.n
	d := t.d[lo:hi]
	var out kept
	kind := make([]int, m)
	largest := 0.0
	for i := range d {
		if i >= half {
			kind[i] = 2
		}
		largest = max(largest, math.Abs(d[i]), math.Abs(z[i]))
	}
	tolerance := 8 * epsilon * largest
	last := -1
	for _, j := range ascending(d) {
		if rho*math.Abs(z[j]) <= tolerance {
			out.deflated = append(out.deflated, j)
			continue
		}
		if last >= 0 {
			r := math.Hypot(z[j], z[last])
			c, s := z[j]/r, -z[last]/r
			if math.Abs((d[j]-d[last])*c*s) <= tolerance {
				x, y := t.rows[(lo+last)*n+lo:(lo+last)*n+hi], t.rows[(lo+j)*n+lo:(lo+j)*n+hi]
				for k := range x {
					x[k], y[k] = c*x[k]+s*y[k], c*y[k]-s*x[k]
				}
				d[last], d[j] = d[last]*c*c+d[j]*s*s, d[last]*s*s+d[j]*c*c
				z[last], z[j] = 0, r
				if kind[last] != kind[j] {
					kind[j] = 1
				}
				out.deflated = append(out.deflated, last)
			} else {
				out.ascending = append(out.ascending, last)
			}
		}
		last = j
	}
	if last >= 0 {
		out.ascending = append(out.ascending, last)
	}
	out.position = make([]int, len(out.ascending))
	for want := range out.kinds {
		for i, j := range out.ascending {
			if kind[j] == want {
				out.position[i] = len(out.order)
				out.order = append(out.order, j)
				out.kinds[want]++
			}
		}
	}
	return out
}

// gather copies the part's rows into gathered [m, m], first those of kept.order, then the deflated ones.
func (t *tearing) gather(lo, half, hi int, kept kept) {
	m, n := hi-lo, t.n
	at := lo * n
	for _, list := range [][]int{kept.order, kept.deflated} {
		for _, j := range list {
			copy(t.gathered[at:at+m], t.rows[(lo+j)*n+lo:(lo+j)*n+hi])
			at += m
		}
	}
}

// ascending lists the indices of values by value, equal ones by index.
func ascending(values []float64) []int {
	order := make([]int, len(values))
	for i := range order {
		order[i] = i
	}
	sort.SliceStable(order, func(i, j int) bool { return values[order[i]] < values[order[j]] })
	return order
}
