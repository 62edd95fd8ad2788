package cuda

import (
	"odepipe/pkg/backend"
	"odepipe/pkg/tensor"
)

// Pack lays the weight out as the right factor of both products, without the time channel: forward [(u, v, c)][o], backward
// [(u, v, o)][c].
func (be *Backend) Pack(g backend.Conv, w tensor.T) backend.Packed {
	mustMatch(w.Shape.Size(), g.Out*g.FanIn())
	count := packedSize(g)
	forward, backward := be.take(count), be.take(count)
	be.call("packWeight").span(forward).span(backward).ints(count).tensor(w).conv(g, 1).each(count)
	return backend.Packed{Weight: w, Forward: forward.buffer(), Backward: backward.buffer()}
}

func packedSize(g backend.Conv) int { return g.Out * g.In * g.Kernel * g.Kernel }

// oneTap says whether a convolution is a matrix product, pixel by pixel.
func oneTap(g backend.Conv) bool { return g.Kernel == 1 && g.Stride == 1 && g.Padding == 0 }

// ConvForward writes dst = w * x + image.
func (be *Backend) ConvForward(dst tensor.T, g backend.Conv, p backend.Packed, image, x tensor.T) {
	pixels := mustFit(g, dst, x)
	o := output{dst: numbers(dst), rows: x.N * pixels, cols: g.Out, pitch: g.Out, image: numbers(image), pixels: pixels}
	if o.image.address != 0 {
		mustMatch(o.image.length, pixels*g.Out)
	}
	weight := span{p.Forward.Device, packedSize(g)}
	if oneTap(g) {
		be.matrixProduct(o, operand{numbers(x), g.In, 1}, operand{weight, 1, g.Out}, g.In)
		return
	}
	be.inSlices(o, g.In*g.Kernel*g.Kernel, func(o output, length int) *call {
		return be.call("convForward").span(o.dst).tensor(x).span(weight).span(o.image).ints(length).conv(g, x.N)
	})
}

// ConvBackward writes dx = w^T dy.
func (be *Backend) ConvBackward(dx tensor.T, g backend.Conv, p backend.Packed, dy tensor.T) {
	mustFit(g, dy, dx)
	o := output{dst: numbers(dx), rows: dx.N * g.H * g.W, cols: g.In, pitch: g.In}
	weight := span{p.Backward.Device, packedSize(g)}
	if oneTap(g) {
		be.matrixProduct(o, operand{numbers(dy), g.Out, 1}, operand{weight, 1, g.In}, g.Out)
		return
	}
	be.inSlices(o, g.Out*g.Kernel*g.Kernel, func(o output, length int) *call {
		return be.call("convBackward").span(o.dst).tensor(dy).span(weight).span(span{}).ints(length).conv(g, dx.N)
	})
}

// ConvGrad writes dw = sum_n dy (x) patches of x, the time channel left alone.
func (be *Backend) ConvGrad(dw tensor.T, g backend.Conv, dy, x tensor.T) {
	pixels := mustFit(g, dy, x)
	mustMatch(dw.Shape.Size(), g.Out*g.FanIn())
	area := g.Kernel * g.Kernel
	o := output{dst: numbers(dw), rows: g.Out, cols: g.In * area, pitch: g.FanIn(), offset: (g.Channels() - g.In) * area}
	if oneTap(g) {
		be.matrixProduct(o, operand{numbers(dy), 1, g.Out}, operand{numbers(x), 1, g.In}, x.N*pixels)
		return
	}
	be.inSlices(o, x.N*pixels, func(o output, length int) *call {
		within := g
		within.Time = o.offset > 0
		return be.call("convGrad").span(o.dst).tensor(dy).tensor(x).ints(o.pitch, length).conv(within, x.N)
	})
}

// ConvGradEach writes the cotangents of w and b of every sample alone: dw [N, Out FanIn], db [N, Out] or none.
func (be *Backend) ConvGradEach(dw, db tensor.T, g backend.Conv, dy, x tensor.T, t []float64) {
	pixels := mustFit(g, dy, x)
	mustMatch(dw.N, x.N)
	mustMatch(dw.Shape.Size(), g.Out*g.FanIn())
	mark := be.Mark()
	times := be.upload(t, x.N)
	be.call("convGradEach").tensor(dw).ints(dw.Size()).tensor(dy).tensor(x).list(times).conv(g, x.N).each(dw.Size())
	if numbers(db).address != 0 {
		mustMatch(db.N, x.N)
		mustMatch(db.Shape.Size(), g.Out)
		be.call("biasGradEach").tensor(db).ints(db.Size()).tensor(dy).ints(g.Out, pixels).each(db.Size())
	}
	be.Release(mark)
}

// PatchGram writes dst = sum_n sum_{i,j} z z^T over the patches z of all output pixels.
func (be *Backend) PatchGram(dst tensor.T, g backend.Conv, x tensor.T, t []float64) {
	mustMatch(x.Shape.Size(), g.H*g.W*g.In)
	size, pixels := g.GramSize(), g.OH()*g.OW()
	mustMatch(dst.Size(), size*size)
	mark := be.Mark()
	times := be.upload(t, x.N)
	o := output{dst: numbers(dst), rows: size, cols: size, pitch: size}
	be.inSlices(o, x.N*pixels, func(o output, length int) *call {
		return be.call("patchGram").span(o.dst).tensor(x).list(times).ints(size, length).conv(g, x.N)
	})
	be.Release(mark)
}

// CotangentGram writes dst = sum_n sum_{i,j} dy dy^T.
func (be *Backend) CotangentGram(dst tensor.T, g backend.Conv, dy tensor.T) {
	pixels := g.OH() * g.OW()
	mustMatch(dy.Shape.Size(), pixels*g.Out)
	mustMatch(dst.Size(), g.Out*g.Out)
	channels := operand{numbers(dy), 1, g.Out}
	be.matrixProduct(output{dst: numbers(dst), rows: g.Out, cols: g.Out, pitch: g.Out}, channels, channels, dy.N*pixels)
}

// BiasImage writes dst[i, j, o] = b[o] + t sum_{u, v inside} w[o, 0, u, v].
func (be *Backend) BiasImage(dst tensor.T, g backend.Conv, w, b tensor.T, t float64) {
	mustMatch(dst.Shape.Size(), g.OH()*g.OW()*g.Out)
	be.call("biasImage").tensor(dst).tensor(w).tensor(b).float(t).conv(g, 1).each(dst.Size())
}

// BiasImageGrad writes the time channel of dw, if there is one, and db, if it is given, from the sum over the batch of dy.
func (be *Backend) BiasImageGrad(dw, db tensor.T, g backend.Conv, gsum tensor.T, t float64) {
	pixels := g.OH() * g.OW()
	mustMatch(gsum.Shape.Size(), pixels*g.Out)
	if numbers(db).address != 0 {
		be.fold(output{dst: numbers(db), rows: 1, cols: g.Out, pitch: g.Out}, numbers(gsum), pixels)
	}
	if g.Time {
		be.call("timeGrad").tensor(dw).tensor(gsum).float(t).conv(g, 1).each(g.Out * g.Kernel * g.Kernel)
	}
}

// mustFit panics unless y and x fit the geometry; it returns the number of output pixels.
func mustFit(g backend.Conv, y, x tensor.T) int {
	mustMatch(y.N, x.N)
	mustMatch(y.Shape.Size(), g.OH()*g.OW()*g.Out)
	mustMatch(x.Shape.Size(), g.H*g.W*g.In)
	return g.OH() * g.OW()
}
