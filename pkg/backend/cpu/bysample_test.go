package cpu_test

import (
	"fmt"
	"math"
	"testing"

	"odepipe/pkg/tensor"
)

// bySample are the batches that operations with numbers of each sample's own are tested on.
var bySample = []struct {
	n     int
	shape tensor.Shape
}{{1, tensor.Of(3)}, {16, tensor.Of(1)}, {19, tensor.Of(5, 3, 4)}, {130, tensor.Of(12, 6, 6)}, {2, tensor.Of()}, {3, tensor.Of(0)}}

func (b bench) numbers(n int) []float64 {
	v := make([]float64, n)
	for i := range v {
		v[i] = b.rng.NormFloat64()
	}
	return v
}

func TestCombinationsBySampleAgreeWithTheReference(t *testing.T) {
	eachSet(t, func(b bench) {
		for _, k := range bySample {
			for terms := range 6 {
				dst := b.random(k.n, k.shape)
				coef := make([][]float64, terms)
				fast, exact := make([]tensor.T, terms), make([]tensor.T, terms)
				for i := range coef {
					w := b.random(k.n, k.shape)
					if i == 2 { // dst may be a term
						w = dst
					}
					if fast[i], exact[i] = w.fast, w.exact; i == 1 {
						continue // with no coefficients
					}
					coef[i] = b.numbers(k.n)
					if i == 3 { // NaN where the coefficient is 0
						coef[i][k.n/2] = 0
						values := tensor.Float64.Make(w.exact.Size())
						b.exact.Download(values, w.exact)
						size := k.shape.Size()
						for d := range size {
							values.F64[k.n/2*size+d] = math.NaN()
						}
						b.exact.Upload(w.exact, values)
						b.fast.Upload(w.fast, values)
					}
				}
				b.fast.CombineEach(dst.fast, coef, fast...)
				b.exact.CombineEach(dst.exact, coef, exact...)
				b.agree(fmt.Sprintf("combination of %d terms, %d samples %v", terms, k.n, k.shape), dst, terms)
			}
		}
	})
}
