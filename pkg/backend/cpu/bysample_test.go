package cpu_test

import (
	"fmt"
	"math"
	"testing"

	"odepipe/pkg/tensor"
	"odepipe/pkg/testkit"
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

func TestImagesOfABatchAgreeWithTheReference(t *testing.T) {
	eachSet(t, func(b bench) {
		for _, k := range bySample {
			what := fmt.Sprintf("%d samples %v", k.n, k.shape)
			x, y, image := b.random(k.n, k.shape), b.random(k.n, k.shape), b.random(0, k.shape)
			for _, coef := range [][]float64{b.numbers(1), b.numbers(k.n)} {
				b.fast.AddImages(y.fast, coef, image.fast)
				b.exact.AddImages(y.exact, coef, image.exact)
				b.agree("images added, "+what, y, 2)
			}
			b.fast.Multiply(y.fast, y.fast, image.fast)
			b.exact.Multiply(y.exact, y.exact, image.exact)
			b.agree("product with an image, "+what, y, 4)
			got, want := make([]float64, k.n), make([]float64, k.n)
			got[0], want[0] = 3, 3
			b.fast.DotImage(got, x.fast, image.fast)
			b.exact.DotImage(want, x.exact, image.exact)
			testkit.Close(b, "dots with an image, "+what, got, want, 1e-4, 1e-5)
			weight := b.numbers(k.n)
			b.fast.SumBatch(image.fast, x.fast, weight)
			b.exact.SumBatch(image.exact, x.exact, weight)
			b.agree("weighted sum, "+what, image, k.n)
		}
	})
}
