package backend

import "odepipe/pkg/tensor"

// Conv is the geometry of an affine map on one sample: a 2-d convolution of an image [In, H, W] with square windows,
// or, with H = W = Kernel = 1, a linear layer on a vector [In]. With zero padding,
//
//	y[o, i, j] = b[o] + sum_{c, u, v} w[o, c, u, v] z[c, i Stride + u - Padding, j Stride + v - Padding]
//
// z is x, preceded, if Time is set, by one channel that holds t everywhere inside the image (0 in the padding). Shapes:
//
//	x [In, H, W] or [In]; y [Out, OH, OW] or [Out]; w [Out, Channels, Kernel, Kernel] or [Out, Channels]; b [Out]
//	Channels = In + 1 with Time, else In
//
// Cotangents, with dy = dL/dy for each sample and sums over the samples of the batch:
//
//	ConvBackward   dx = w^T dy, without the time channel
//	ConvGrad       dw = sum_n dy (x) patches of x, into the channels of x; the time channel of dw is left alone
//	SumBatch(dy)   gsum [OH, OW, Out], from which BiasImageGrad writes the time channel of dw and all of db (if given)
//	ConvGradEach   dw[n] and db[n] of every sample alone, the time channel too: batches of vectors [Out FanIn], in the
//	               order of w, and [Out], or the zero T for none
//
// Because the time channel is constant, it and the bias are one precomputed image, the same for all samples of one t,
//
//	BiasImage      image[i, j, o] = b[o] + t sum_{u, v inside} w[o, 0, u, v]
//
// Where samples have times t_n of their own, y[n] = w * x[n] + (image at t = 0) + t_n dy/dt, by AddImages with the image
// dy/dt, which is that of t = 1 without b; SumBatch(dy, t) gives the time channel of dw, DotImage with dy/dt gives dL/dt_n.
//
// Kronecker factors, sums over the samples and output positions:
//
//	PatchGram      dst[K, K] = sum_n sum_{i,j} z z^T, z = patch ordered [channel, u, v] with time as channel 0,
//	               and a final 1 if Bias;  K = Channels Kernel^2 (+ 1)
//	CotangentGram  dst[Out, Out] = sum_n sum_{i,j} dy dy^T
//
// A list t has one element for all samples or one for each.
type Conv struct {
	In, Out         int
	H, W            int
	Kernel          int
	Stride, Padding int
	Time, Bias      bool
}

// Linear is the geometry of a linear layer. With Time, In may be 0: an affine map of t alone, on samples of shape [0].
func Linear(in, out int, time, bias bool) Conv {
	return Conv{In: in, Out: out, H: 1, W: 1, Kernel: 1, Stride: 1, Time: time, Bias: bias}
}

// OH and OW are the extents of the output; not positive if the window does not fit.
func (g Conv) OH() int { return extent(g.H, g.Kernel, g.Stride, g.Padding) }

// OW is the width of the output.
func (g Conv) OW() int { return extent(g.W, g.Kernel, g.Stride, g.Padding) }

func extent(size, kernel, stride, padding int) int {
	if size+2*padding < kernel {
		return 0
	}
	return (size+2*padding-kernel)/stride + 1
}

// Channels is the number of input channels of the weight: In, and the time channel if there is one.
func (g Conv) Channels() int {
	if g.Time {
		return g.In + 1
	}
	return g.In
}

// FanIn is the length of a patch without the constant 1: Channels Kernel^2.
func (g Conv) FanIn() int { return g.Channels() * g.Kernel * g.Kernel }

// GramSize is the side of PatchGram's matrix: FanIn, plus 1 if Bias.
func (g Conv) GramSize() int {
	if g.Bias {
		return g.FanIn() + 1
	}
	return g.FanIn()
}

// Packed is a weight in the forms that the kernels of one backend read fastest; made by Pack.
type Packed struct {
	Weight            tensor.T
	Forward, Backward tensor.Buffer
}
