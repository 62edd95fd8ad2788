package backend

import "odepipe/pkg/tensor"

// Backend computes on tensors. Destinations come first and are overwritten unless the formula says +=; a destination
// may alias an argument only where said. n runs over the samples of a batch, d over the features of one sample.
// Sums over samples never include the padding of the last block.
type Backend interface {
	DType() tensor.DType
	Err() error // first failure since the backend was made; nil on hosts
	Close()     // stops workers and frees memory

	// Memory. Batch and Plain return uninitialised memory from the arena, valid until the Release of an earlier Mark.
	Batch(n int, sample tensor.Shape) tensor.T
	Plain(shape tensor.Shape) tensor.T
	Mark() Mark
	Release(Mark)

	// View is a batch of n samples of a shape in the memory of the batch x from its sample first on, a multiple of Group: a
	// part of x where the shape is x's, else the place of something as large. It panics if that is not there.
	View(x tensor.T, first, n int, sample tensor.Shape) tensor.T

	// Exchange with host slices in row-major order, [N, shape...] for a batch; either element type, converted.
	// Upload fills the padding of a batch with copies of its last sample.
	Upload(dst tensor.T, src tensor.Buffer)
	Download(dst tensor.Buffer, src tensor.T)

	// Combine writes dst = sum_i coef[i] x[i] over tensors of one size; terms with coef 0 are not read. dst may be
	// any x[i]. With no terms it writes zeros. Padding is combined too.
	Combine(dst tensor.T, coef []float64, x ...tensor.T)

	// CombineEach writes dst[n] = sum_i coef[i][n] x[i][n] over batches of one size, coef[i] having an element for each
	// sample, or nil for zeros. A term whose coefficient is 0 for a sample is not read for it. dst may be any x[i].
	CombineEach(dst tensor.T, coef [][]float64, x ...tensor.T)

	// Multiply writes dst = x y, element by element over tensors of one size. For a batch x, y may be an image, a plain
	// tensor as AddImages takes it, for all samples. dst may be x or y.
	Multiply(dst, x, y tensor.T)

	// ScaledSquares adds to sum[n], for each sample n of a batch (sum[0] for a plain tensor),
	//
	//	sum_d ( e_d / (atol + rtol max(|y0_d|, |y1_d|)) )^2,   e = sum_i coef[i] k[i]
	//
	// Terms with coef 0 are not read. y0 and y1 may be the same tensor.
	ScaledSquares(sum []float64, coef []float64, k []tensor.T, y0, y1 tensor.T, atol, rtol float64)

	// Dot adds to sum[n], for each sample n of a batch (sum[0] for a plain tensor), sum_d x_d y_d.
	Dot(sum []float64, x, y tensor.T)

	// Affine maps; geometry and shapes at Conv.
	Pack(g Conv, w tensor.T) Packed                           // arena memory; w must stay unchanged while it is used
	BiasImage(dst tensor.T, g Conv, w, b tensor.T, t float64) // dst [OH, OW, Out] plain; b may be the zero T
	BiasImageGrad(dw, db tensor.T, g Conv, gsum tensor.T, t float64)
	ConvForward(dst tensor.T, g Conv, p Packed, image, x tensor.T) // image from BiasImage, or the zero T for none
	ConvBackward(dx tensor.T, g Conv, p Packed, dy tensor.T)
	ConvGrad(dw tensor.T, g Conv, dy, x tensor.T)
	ConvGradEach(dw, db tensor.T, g Conv, dy, x tensor.T, t []float64) // t has one element or one for each sample
	PatchGram(dst tensor.T, g Conv, x tensor.T, t []float64)           // likewise
	CotangentGram(dst tensor.T, g Conv, dy tensor.T)

	// Between a batch and an image, a plain tensor of the batch's sample size in the layout's feature order ((h, w, c) for
	// images): SumBatch writes dst_d = sum_n weight[n] x[n]_d, weight nil for ones; AddImages adds y[n] += coef[n] image,
	// coef having one element or one for each sample; DotImage adds sum[n] += sum_d x[n]_d image_d.
	SumBatch(dst, x tensor.T, weight []float64)
	AddImages(y tensor.T, coef []float64, image tensor.T)
	DotImage(sum []float64, x, image tensor.T)

	// Activate writes dst = sigma(x); ActivateGrad writes dx = dy sigma'(x); ActivateGrad2 adds dx += dy v sigma''(x).
	// dst may be x; dx of ActivateGrad may be dy.
	Activate(dst tensor.T, a Activation, x tensor.T)
	ActivateGrad(dx tensor.T, a Activation, dy, x tensor.T)
	ActivateGrad2(dx tensor.T, a Activation, dy, v, x tensor.T)

	// AvgPool writes the means of non-overlapping k x k windows of x [C, H, W]; dst [C, H/k, W/k], a rest is dropped.
	// AvgPoolGrad spreads dy / k^2 back over x's windows, zero on the rest.
	AvgPool(dst tensor.T, k int, x tensor.T)
	AvgPoolGrad(dx tensor.T, k int, dy tensor.T)

	// Flatten writes x [C, H, W] as a vector in the order (c, h, w), as PyTorch's; Unflatten is its inverse.
	Flatten(dst, x tensor.T)
	Unflatten(dst, x tensor.T)

	// Join writes vectors [C + D] whose features are those of x [C], then those of y [D]. Part writes the features of x from
	// the given one on that dst has room for.
	Join(dst, x, y tensor.T)
	Part(dst, x tensor.T, first int)

	// Gemm writes dst = op(a) op(b) for plain row-major matrices; op transposes where the flag is set.
	Gemm(dst tensor.T, transA bool, a tensor.T, transB bool, b tensor.T)

	// EigenScale is the diagonal step of Algorithm 2, element by element over plain tensors of one size:
	//
	//	s <- alpha s + (1-alpha) batch g^2;   g <- g / (s + eps)
	EigenScale(g, s tensor.T, alpha, batch, eps float64)

	// AdamStep is one step of Adam on plain tensors of one size, step counted from 1:
	//
	//	m <- beta1 m + (1-beta1) g;   v <- beta2 v + (1-beta2) g^2
	//	p <- p - lr (m / (1-beta1^step)) / (sqrt(v / (1-beta2^step)) + eps)
	AdamStep(p, m, v, g tensor.T, lr, beta1, beta2, eps float64, step int64)
}

// Group is the number of samples that a part of a batch begins at a multiple of.
const Group = 16

// Mark is a position of the arena.
type Mark struct{ Chunk, Offset int }
