package ref

import (
	"math"

	"odepipe/pkg/tensor"
)

// Combine writes dst = sum_i coef[i] x[i]; terms with coef 0 are not read.
func (*Backend) Combine(dst tensor.T, coef []float64, x ...tensor.T) {
	mustMatch(len(coef), len(x))
	out := numbers(dst)
	for i, c := range coef {
		if c != 0 {
			mustMatch(len(numbers(x[i])), len(out))
		}
	}
	for d := range out { // element by element, because dst may be any x[i]
		out[d] = combination(coef, x, d)
	}
}

// combination is element d of sum_i coef[i] x[i].
func combination(coef []float64, x []tensor.T, d int) float64 {
	sum := 0.0
	for i, c := range coef {
		if c != 0 {
			sum += c * x[i].Buf.F64[d]
		}
	}
	return sum
}

// CombineEach writes dst[n] = sum_i coef[i][n] x[i][n]; terms with coefficient 0 for a sample are not read for it.
func (*Backend) CombineEach(dst tensor.T, coef [][]float64, x ...tensor.T) {
	mustMatch(len(coef), len(x))
	out, size := numbers(dst), dst.Shape.Size()
	for i, c := range coef {
		if c != nil {
			mustMatch(len(c), dst.N)
			mustMatch(x[i].N, dst.N)
			mustMatch(len(numbers(x[i])), len(out))
		}
	}
	for d := range out { // element by element, because dst may be any x[i]
		sum := 0.0
		for i, c := range coef {
			if c != nil && c[d/size] != 0 {
				sum += c[d/size] * x[i].Buf.F64[d]
			}
		}
		out[d] = sum
	}
}

// Multiply writes dst = x y; y is like x, or an image for all samples of x.
func (*Backend) Multiply(dst, x, y tensor.T) {
	out, left, right := numbers(dst), numbers(x), numbers(y)
	mustMatch(len(out), len(left))
	if y.N == 0 {
		mustMatch(len(right), x.Shape.Size())
	} else {
		mustMatch(len(right), len(left))
	}
	for i, v := range left {
		out[i] = v * right[i%len(right)]
	}
}

// ScaledSquares adds to sum[n] = sum_d ( e_d / (atol + rtol max(|y0_d|, |y1_d|)) )^2, e = sum_i coef[i] k[i].
func (*Backend) ScaledSquares(sum []float64, coef []float64, k []tensor.T, y0, y1 tensor.T, atol, rtol float64) {
	mustMatch(len(coef), len(k))
	start, end := numbers(y0), numbers(y1)
	mustMatch(len(start), len(end))
	for i, c := range coef {
		if c != 0 {
			mustMatch(len(numbers(k[i])), len(start))
		}
	}
	size := y0.Shape.Size()
	for n := range samples(y0) {
		for d := n * size; d < (n+1)*size; d++ {
			scale := atol + rtol*max(math.Abs(start[d]), math.Abs(end[d]))
			ratio := combination(coef, k, d) / scale
			sum[n] += ratio * ratio
		}
	}
}

// Dot adds to sum[n] = sum_d x_d y_d.
func (*Backend) Dot(sum []float64, x, y tensor.T) {
	mustMatch(x.N, y.N)
	a, b := numbers(x), numbers(y)
	mustMatch(len(a), len(b))
	size := x.Shape.Size()
	for n := range samples(x) {
		for d := n * size; d < (n+1)*size; d++ {
			sum[n] += a[d] * b[d]
		}
	}
}
