package ref

import (
	"odepipe/pkg/backend"
	"odepipe/pkg/tensor"
)

// Pack keeps the weight as it is.
func (*Backend) Pack(g backend.Conv, w tensor.T) backend.Packed {
	mustMatch(w.Size(), g.Out*g.FanIn())
	return backend.Packed{Weight: w}
}

// tap is one term of the sum in backend.Conv: output pixel (i, j) reads input pixel (r, s) = (i Stride + u - Padding,
// j Stride + v - Padding), which lies inside the image, through the weights w[:, :, u, v].
type tap struct {
	out    int // i OW + j
	in     int // r W + s
	window int // u Kernel + v
}

// eachTap visits the taps of one image, those of one output pixel together.
func eachTap(g backend.Conv, visit func(tap)) {
	for i := range g.OH() {
		for j := range g.OW() {
			for u := range g.Kernel {
				for v := range g.Kernel {
					r, s := i*g.Stride+u-g.Padding, j*g.Stride+v-g.Padding
					if 0 <= r && r < g.H && 0 <= s && s < g.W {
						visit(tap{out: i*g.OW() + j, in: r*g.W + s, window: u*g.Kernel + v})
					}
				}
			}
		}
	}
}

// weightAt is the position of w[o, c, u, v] in w.
func weightAt(g backend.Conv, o, c, window int) int {
	return (o*g.Channels()+c)*g.Kernel*g.Kernel + window
}

// firstImage is the input channel of the weight that belongs to channel 0 of x: 1 behind a time channel.
func firstImage(g backend.Conv) int { return g.Channels() - g.In }

// ConvForward writes y = w * x + image: dst [N, Out, OH, OW], image [OH, OW, Out] or none, x [N, In, H, W].
func (*Backend) ConvForward(dst tensor.T, g backend.Conv, p backend.Packed, image, x tensor.T) {
	y, in, w := numbers(dst), numbers(x), numbers(p.Weight)
	outSize, inSize := mustFit(g, dst, x)
	for n := range x.N {
		yn, xn := y[n*outSize:][:outSize], in[n*inSize:][:inSize]
		if none(image) {
			clear(yn)
		} else {
			mustMatch(copy(yn, numbers(image)), outSize)
		}
		eachTap(g, func(t tap) {
			for o := range g.Out {
				for c := range g.In { // y[o] += w[o, c] x[c]
					yn[t.out*g.Out+o] += w[weightAt(g, o, firstImage(g)+c, t.window)] * xn[t.in*g.In+c]
				}
			}
		})
	}
}

// ConvBackward writes dx = w^T dy without the time channel: dx [N, In, H, W], dy [N, Out, OH, OW].
func (*Backend) ConvBackward(dx tensor.T, g backend.Conv, p backend.Packed, dy tensor.T) {
	out, in, w := numbers(dx), numbers(dy), numbers(p.Weight)
	outSize, inSize := mustFit(g, dy, dx)
	clear(out)
	for n := range dy.N {
		dyn, dxn := in[n*outSize:][:outSize], out[n*inSize:][:inSize]
		eachTap(g, func(t tap) {
			for o := range g.Out {
				for c := range g.In { // dx[c] += w[o, c] dy[o]
					dxn[t.in*g.In+c] += w[weightAt(g, o, firstImage(g)+c, t.window)] * dyn[t.out*g.Out+o]
				}
			}
		})
	}
}

// ConvGrad writes dw = sum_n dy (x) patches of x, the time channel left alone: dw [Out, Channels, Kernel, Kernel].
func (*Backend) ConvGrad(dw tensor.T, g backend.Conv, dy, x tensor.T) {
	w, cotangent, in := numbers(dw), numbers(dy), numbers(x)
	mustMatch(len(w), g.Out*g.FanIn())
	outSize, inSize := mustFit(g, dy, x)
	area := g.Kernel * g.Kernel
	for o := range g.Out {
		clear(w[weightAt(g, o, firstImage(g), 0):][:g.In*area])
	}
	for n := range x.N {
		dyn, xn := cotangent[n*outSize:][:outSize], in[n*inSize:][:inSize]
		eachTap(g, func(t tap) {
			for o := range g.Out {
				for c := range g.In { // dw[o, c] += dy[o] x[c]
					w[weightAt(g, o, firstImage(g)+c, t.window)] += dyn[t.out*g.Out+o] * xn[t.in*g.In+c]
				}
			}
		})
	}
}

// ConvGradEach writes the cotangents of w and b of every sample alone: dw [N, Out FanIn], db [N, Out] or none.
func (be *Backend) ConvGradEach(dw, db tensor.T, g backend.Conv, dy, x tensor.T, t []float64) {
	mustFit(g, dy, x)
	mustMatch(dw.N, x.N)
	mustMatch(dw.Shape.Size(), g.Out*g.FanIn())
	for n := range x.N {
		weight, bias := sample(dw, n), tensor.T{}
		if !none(db) {
			bias = sample(db, n)
		}
		be.ConvGrad(weight, g, sample(dy, n), sample(x, n))
		be.BiasImageGrad(weight, bias, g, sample(dy, n), ofSample(t, n, x.N)) // one sample is its sum over the batch
	}
}

// sample is sample n of a batch, as a batch of one.
func sample(t tensor.T, n int) tensor.T {
	size := t.Shape.Size()
	return tensor.T{Buf: tensor.Buffer{F64: numbers(t)[n*size : (n+1)*size]}, N: 1, Shape: t.Shape}
}

// BiasImage writes image[i, j, o] = b[o] + t sum_{u, v inside} w[o, 0, u, v]: dst plain [OH, OW, Out], b [Out] or none.
func (*Backend) BiasImage(dst tensor.T, g backend.Conv, w, b tensor.T, t float64) {
	image, weight := numbers(dst), numbers(w)
	mustMatch(len(image), g.OH()*g.OW()*g.Out)
	for i := range image {
		image[i] = 0
		if !none(b) {
			image[i] = numbers(b)[i%g.Out]
		}
	}
	if !g.Time {
		return
	}
	eachTap(g, func(k tap) {
		for o := range g.Out {
			image[k.out*g.Out+o] += t * weight[weightAt(g, o, 0, k.window)]
		}
	})
}

// BiasImageGrad writes dw[o, 0, u, v] = t sum_{i, j with (u, v) inside} gsum[i, j, o] if there is a time channel, and
// db[o] = sum_{i, j} gsum[i, j, o] if db is given: gsum plain [OH, OW, Out], db [Out].
func (*Backend) BiasImageGrad(dw, db tensor.T, g backend.Conv, gsum tensor.T, t float64) {
	sum := numbers(gsum)
	mustMatch(len(sum), g.OH()*g.OW()*g.Out)
	if !none(db) {
		bias := numbers(db)
		clear(bias)
		for i, s := range sum {
			bias[i%g.Out] += s
		}
	}
	if !g.Time {
		return
	}
	w := numbers(dw)
	for o := range g.Out {
		clear(w[weightAt(g, o, 0, 0):][:g.Kernel*g.Kernel])
	}
	eachTap(g, func(k tap) {
		for o := range g.Out {
			w[weightAt(g, o, 0, k.window)] += t * sum[k.out*g.Out+o]
		}
	})
}

// mustFit returns the sizes of one sample of y and x, and panics unless both fit the geometry.
func mustFit(g backend.Conv, y, x tensor.T) (outSize, inSize int) {
	outSize, inSize = g.OH()*g.OW()*g.Out, g.H*g.W*g.In
	mustMatch(y.N, x.N)
	mustMatch(y.Shape.Size(), outSize)
	mustMatch(x.Shape.Size(), inSize)
	return outSize, inSize
}
