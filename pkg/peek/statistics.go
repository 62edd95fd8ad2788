package peek

import (
	"math"
	"strings"

	"odepipe/pkg/eigen"
	"odepipe/pkg/tensor"
)

// Statistics describe the numbers of an item. Min, Mean, Max and Norm (Euclidean) are of those that are no NaN; without
// any, the first three are NaN.
type Statistics struct {
	Min, Mean, Max, Norm float64
	NaN                  int
	Line                 string // the values in their order, see sparkline
}

// width is how many characters a sparkline has at most.
const width = 24

func statisticsOf(values tensor.Buffer) Statistics {
	s := Statistics{Min: math.NaN(), Mean: math.NaN(), Max: math.NaN()}
	n, sum, squares := 0, 0.0, 0.0
	for i := range values.Len() {
		v := values.At(i)
		if math.IsNaN(v) {
			s.NaN++
			continue
		}
		if n == 0 {
			s.Min, s.Max = v, v
		}
		s.Min, s.Max = min(s.Min, v), max(s.Max, v)
		sum += v
		squares += v * v
		n++
	}
	if n > 0 {
		s.Mean = sum / float64(n)
	}
	s.Norm = math.Sqrt(squares)
	s.Line = sparkline(values.Len(), values.At)
	return s
}

var bars = []rune("▁▂▃▄▅▆▇█")

// sparkline draws n values from left to right, each character the mean of its share of them, from the lowest such mean to
// the highest; × stands for a share that has values that are not finite. Values that are all equal are a line in the middle.
func sparkline(n int, at func(int) float64) string {
	cells := min(n, width)
	means := make([]float64, cells)
	low, high := math.Inf(1), math.Inf(-1)
	for c := range means {
		from, to := c*n/cells, (c+1)*n/cells
		for i := from; i < to; i++ {
			means[c] += at(i) / float64(to-from)
		}
		if finite(means[c]) {
			low, high = min(low, means[c]), max(high, means[c])
		}
	}
	var b strings.Builder
	for _, m := range means {
		switch {
		case !finite(m):
			b.WriteRune('×')
		case high == low:
			b.WriteRune(bars[len(bars)/2-1])
		default:
			share := (m/2 - low/2) / (high/2 - low/2) // halved, so that nothing overflows
			b.WriteRune(bars[min(max(int(share*float64(len(bars))), 0), len(bars)-1)])
		}
	}
	return b.String()
}

// Spectrum describes the eigenvalues of a Kronecker factor, a symmetric positive semi-definite matrix of side Side.
// Condition is Largest/Smallest, infinite where Smallest is not above 0; Rank counts the eigenvalues above
// Side 2^-23 Largest, beyond what float32 can tell from 0.
type Spectrum struct {
	Side, Rank                   int
	Smallest, Largest, Condition float64
	Line                         string // log10 of the eigenvalues from the largest on, those beyond the rank at its bound
}

// spectrumOf is the spectrum of an item that is a Kronecker factor; nil for any other, and for one that is not finite.
// The time grows as the cube of its side.
func spectrumOf(i *Item, threads int) *Spectrum {
	n := 0
	if len(i.Shape) == 2 && i.Shape[0] == i.Shape[1] {
		n = i.Shape[0]
	}
	if i.Role != "kron_a" && i.Role != "kron_b" || n == 0 {
		return nil
	}
	matrix, values := make([]float64, n*n), make([]float64, n)
	for k := range matrix {
		matrix[k] = i.Value.At(k)
	}
	if eigen.Symmetric(n, matrix, values, threads) != nil {
		return nil
	}
	s := &Spectrum{Side: n, Smallest: values[0], Largest: values[n-1], Condition: math.Inf(1)}
	if s.Smallest > 0 {
		s.Condition = s.Largest / s.Smallest
	}
	bound := float64(n) * 0x1p-23 * s.Largest
	for _, v := range values {
		if v > bound {
			s.Rank++
		}
	}
	if s.Largest > 0 {
		s.Line = sparkline(n, func(k int) float64 { return math.Log10(max(values[n-1-k], bound)) })
	}
	return s
}
