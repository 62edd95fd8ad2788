package cuda

import "odepipe/pkg/tensor"

// SumBatch writes dst_d = sum_n weight[n] x[n]_d, weight nil for ones.
func (be *Backend) SumBatch(dst, x tensor.T, weight []float64) {
	sameImage(x, dst)
	if weight == nil {
		weight = []float64{1}
	}
	mark := be.Mark()
	weights := be.upload(weight, x.N)
	const features, leastSamples = 32, 32 // of a block
	size := x.Shape.Size()
	columns := ceil(size, features)
	slices := max(1, min(ceil(x.N, leastSamples), ceil(wantedBlocks, max(1, columns))))
	to := numbers(dst)
	if slices > 1 {
		to = be.take(slices * size)
	}
	length := ceil(x.N, slices)
	be.call("sumBatch").span(to).ints(size, x.N, length).tensor(x).list(weights).launch(columns, slices, 1, blockThreads)
	if slices > 1 {
		be.fold(output{dst: numbers(dst), rows: 1, cols: size, pitch: size}, to, slices)
	}
	be.Release(mark)
}

// AddImages adds y[n] += coef[n] image.
func (be *Backend) AddImages(y tensor.T, coef []float64, image tensor.T) {
	sameImage(y, image)
	mark := be.Mark()
	coefs := be.upload(coef, y.N)
	be.call("addImages").tensor(y).ints(y.Size(), image.Size()).list(coefs).tensor(image).each(y.Size())
	be.Release(mark)
}

// AvgPool writes the means of non-overlapping k x k windows: x [N, C, H, W], dst [N, C, H/k, W/k].
func (be *Backend) AvgPool(dst tensor.T, k int, x tensor.T) { be.pool("avgPool", dst, dst, x, k, x) }

// AvgPoolGrad spreads dy / k^2 over the windows: dx [N, C, H, W], dy [N, C, H/k, W/k].
func (be *Backend) AvgPoolGrad(dx tensor.T, k int, dy tensor.T) {
	be.pool("avgPoolGrad", dx, dy, dy, k, dx)
}

// pool runs a kernel from src to dst, small and large being the two ends of the pooling.
func (be *Backend) pool(kernel string, dst, small, src tensor.T, k int, large tensor.T) {
	c, h, w := large.Shape.Dim[0], large.Shape.Dim[1], large.Shape.Dim[2]
	mustMatch(small.N, large.N)
	if small.Shape != tensor.Of(c, h/k, w/k) {
		panic("cuda: pooled image of another size")
	}
	be.call(kernel).tensor(dst).ints(dst.Size()).tensor(src).ints(k, h, w, c).each(dst.Size())
}
