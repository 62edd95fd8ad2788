// Package toomcook has the matrices of minimal filtering with three taps (Toom 1963, Cook 1966, Winograd 1980), which the
// cpu backend and the generator of its kernels share. F(m, 3) computes m outputs of a filter,
//
//	y[k] = sum_{u < 3} g[u] d[k+u],  k < m:   y = A^T ((G g) . (B^T d))
//
// with m+2 products instead of 3 m. It is the multiplication of polynomials by their values at m+1 points p and at infinity,
// transposed. Row p of G, but for a factor, and column p of A^T are powers of p; row p of B^T are, but for a sign, the
// coefficients of prod_{q != p} (x - q), and its last row those of prod_q (x - q).
package toomcook

// Taps is the length of the filters.
const Taps = 3

// Filter is F(Size, 3): Data is B^T [Size+2][Size+2], Weight G [Size+2][3], Output A^T [Size][Size+2].
type Filter struct {
	Size                 int
	Data, Weight, Output [][]float64
}

// Filters are F(2, 3), F(3, 3) and F(4, 3). The points are those with which the rounding errors are least (Barabasz et
// al. 2020); all numbers but those of Weight are short binary fractions.
var Filters = []Filter{of(0, 1, -1), of(0, 1, -1, -0.5), of(0, 1, -1, 0.5, -2)}

// Products is the number of products, Size + 2.
func (f Filter) Products() int { return f.Size + Taps - 1 }

// of makes the filter with these finite points.
func of(points ...float64) Filter {
	f := Filter{Size: len(points) + 1 - (Taps - 1)}
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
		f.Weight = append(f.Weight, []float64{1 / scale, p / scale, p * p / scale})
	}
	all := []float64{1}
	for _, p := range points {
		all = timesRoot(all, p)
	}
	f.Data = append(f.Data, all)
	f.Weight = append(f.Weight, []float64{0, 0, 1})
	power := make([]float64, len(points))
	for k := range f.Size {
		for i, p := range points {
			if k == 0 {
				power[i] = 1
			} else {
				power[i] *= p
			}
		}
		infinity := 0.0
		if k == f.Size-1 {
			infinity = 1
		}
		f.Output = append(f.Output, append(append([]float64(nil), power...), infinity))
	}
	return f
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
