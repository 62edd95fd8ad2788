// Package toomcook has the matrices of minimal filtering (Toom 1963, Cook 1966, Winograd 1980), which the cpu backend and
// the generator of its kernels share. F(m, r) computes m outputs of a filter with r taps,
//
//	y[k] = sum_{u < r} g[u] d[k+u],  k < m:   y = A^T ((G g) . (B^T d))
//
// with m+r-1 products instead of m r. It is the multiplication of polynomials by their values at m+r-2 points p and at
// infinity, transposed. Row p of G, but for a factor, and column p of A^T are powers of p; row p of B^T are, but for a sign, the
// coefficients of prod_{q != p} (x - q), and its last row those of prod_q (x - q).
package toomcook

import "slices"

// Filter is F(Size, Taps), with Products = Size + Taps - 1: Data is B^T [Products][Products], Weight G [Products][Taps], Output
// A^T [Size][Products].
type Filter struct {
	Size, Taps           int
	Data, Weight, Output [][]float64
}

// The sizes of the filters.
const (
	Smallest = 2
	Largest  = 4
)

// Filters are F(2, 3), F(3, 3), F(4, 3), F(2, 2), F(3, 2) and F(4, 2). The points are those with which the rounding errors
// are least (Barabasz et al. 2020); all numbers but those of Weight are short binary fractions.
var Filters = []Filter{
	of(3, 0, 1, -1), of(3, 0, 1, -1, -0.5), of(3, 0, 1, -1, 0.5, -2),
	of(2, 0, 1), of(2, 0, 1, -1), of(2, 0, 1, -1, -0.5),
}

// Number is the position of F(size, taps) in Filters, or -1.
func Number(size, taps int) int {
	return slices.IndexFunc(Filters, func(f Filter) bool { return f.Size == size && f.Taps == taps })
}

// Products is the number of products.
func (f Filter) Products() int { return f.Size + f.Taps - 1 }

// of makes the filter with so many taps and these finite points.
func of(taps int, points ...float64) Filter {
	f := Filter{Size: len(points) + 2 - taps, Taps: taps}
	for i, p := range points {
		others, scale := []float64{1}, 1.0
		for j, q := range points {
			if j != i {
				others = timesRoot(others, q)
				scale *= p - q
			}
		}
		if scale < 0 { // no row of Weight may be all negative: the kernels begin with a positive term
			scale = -scale
			for k := range others {
				others[k] = -others[k]
			}
		}
		f.Data = append(f.Data, append(others, 0))
		f.Weight = append(f.Weight, powers(taps, p, 1/scale))
	}
	all := []float64{1}
	for _, p := range points {
		all = timesRoot(all, p)
	}
	f.Data = append(f.Data, all)
	f.Weight = append(f.Weight, last(taps))
	var columns [][]float64
	for _, p := range points {
		columns = append(columns, powers(f.Size, p, 1))
	}
	f.Output = Transpose(append(columns, last(f.Size)))
	return f
}

// powers are first, first p, first p^2, ..
func powers(n int, p, first float64) []float64 {
	s := make([]float64, n)
	for i := range s {
		s[i] = first
		first *= p
	}
	return s
}

// last is a vector of zeros and a final 1.
func last(n int) []float64 {
	s := make([]float64, n)
	s[n-1] = 1
	return s
}

// timesRoot is the polynomial a, from its constant coefficient on, times (x - p).
func timesRoot(a []float64, p float64) []float64 {
	product := append([]float64{0}, a...)
	for i, v := range a {
		product[i] -= p * v
	}
	return product
}

// Transpose is the transpose of a matrix.
func Transpose(m [][]float64) [][]float64 {
	t := make([][]float64, len(m[0]))
	for i := range t {
		for _, row := range m {
			t[i] = append(t[i], row[i])
		}
	}
	return t
}
