package cuda

import (
	"unsafe"

	"odepipe/pkg/tensor"
)

// ScaledSquares adds to sum[n], for each sample, sum_d (e_d / (atol + rtol max(|y0_d|, |y1_d|)))^2 with
// e = sum_i coef[i] k[i].
func (be *Backend) ScaledSquares(sum []float64, coef []float64, k []tensor.T, y0, y1 tensor.T, atol, rtol float64) {
	sameSize(y0, y1)
	be.gather(y0, coef, k)
	if len(be.terms) == 0 {
		return
	}
	mark := be.Mark()
	if len(be.terms) > maxTerms {
		e := tensor.T{Buf: be.take(y0.Size()).buffer(), N: y0.N, Shape: y0.Shape}
		be.Combine(e, coef, k...)
		be.gather(y0, []float64{1}, []tensor.T{e})
	}
	s := be.sumOf(y0)
	c := be.call("scaledSquares").span(s.partial).ints(s.size, s.length).tensor(y0).tensor(y1).float(atol).float(rtol).ints(len(be.terms))
	addTerms(c, be.terms)
	be.addSums(sum, s, c)
	be.Release(mark)
}

// Dot adds to sum[n], for each sample, sum_d x_d y_d.
func (be *Backend) Dot(sum []float64, x, y tensor.T) {
	sameSize(x, y)
	be.dot(sum, x, y, x.Shape.Size())
}

// DotImage adds sum[n] += sum_d x[n]_d image_d.
func (be *Backend) DotImage(sum []float64, x, image tensor.T) {
	sameImage(x, image)
	mustMatch(len(sum), x.N)
	be.dot(sum, x, image, 0)
}

// dot adds the products of samples of x with y, which moves on by stride numbers for each.
func (be *Backend) dot(sum []float64, x, y tensor.T, stride int) {
	mark := be.Mark()
	s := be.sumOf(x)
	be.addSums(sum, s, be.call("dotProduct").span(s.partial).ints(s.size, s.length).tensor(x).tensor(y).ints(stride))
	be.Release(mark)
}

// sampleSum is the plan of a sum over the features of each sample: samples are cut into slices of so many features, whose
// sums are partial [slice][sample], in float64.
type sampleSum struct {
	samples, size  int
	slices, length int
	partial        span // its length counts doubles
}

// sumOf plans the sum over the samples of x.
func (be *Backend) sumOf(x tensor.T) sampleSum {
	s := sampleSum{samples: samples(x), size: x.Shape.Size()}
	const leastLength = 1024 // less would not keep a block busy
	s.slices = max(1, min(ceil(s.size, leastLength), ceil(wantedBlocks, s.samples)))
	s.length = max(1, ceil(s.size, s.slices))
	s.partial = be.take(2 * s.slices * s.samples)
	s.partial.length /= 2
	return s
}

// addSums launches a kernel that sums, and adds its result to sum.
func (be *Backend) addSums(sum []float64, s sampleSum, c *call) {
	if len(sum) < s.samples {
		panic("cuda: too few sums")
	}
	threads := 32
	for threads < blockThreads && threads < s.length {
		threads *= 2
	}
	c.launch(s.samples, s.slices, 1, threads)
	if cap(be.sums) < s.partial.length {
		be.sums = make([]float64, s.partial.length)
	}
	partial := be.sums[:s.partial.length]
	if be.err == nil {
		be.fail(be.dev.read(unsafe.Pointer(&partial[0]), s.partial.address, 8*len(partial)))
	}
	if be.err != nil {
		return
	}
	for i, v := range partial {
		sum[i%s.samples] += v
	}
}
