package ref_test

import (
	"fmt"
	"testing"

	"odepipe/pkg/backend"
	"odepipe/pkg/backend/ref"
	"odepipe/pkg/tensor"
	"odepipe/pkg/testkit"
)

// A 2 x 2 image, a 2 x 2 window, padding 1, stride 2: every output pixel sees one corner of the window.
func TestConvolutionByHand(t *testing.T) {
	be := ref.New()
	g := backend.Conv{In: 1, Out: 2, H: 2, W: 2, Kernel: 2, Stride: 2, Padding: 1, Time: true, Bias: true}
	w := plain(be, []float64{
		1, 2, 3, 4, // o 0, time
		10, 20, 30, 40, // o 0, image
		0, 0, 0, 1, // o 1, time
		1, 1, 1, 1, // o 1, image
	}, 2, 2, 2, 2)
	b := plain(be, []float64{0.5, 0}, 2)
	x := batch(be, []float64{1, 2, 3, 4}, 1, 1, 2, 2)
	image := be.Plain(tensor.Of(2, 2, 2))
	be.BiasImage(image, g, w, b, 100)
	// output (i, j) reads pixel (i, j) through w[1-i, 1-j]; the rest of the window is padding
	testkit.Close(t, "bias image [i, j, o]", image.Buf.F64, []float64{400.5, 100, 300.5, 0, 200.5, 0, 100.5, 0}, 0, 0)

	y := be.Batch(1, tensor.Of(2, 2, 2))
	packed := be.Pack(g, w)
	be.ConvForward(y, g, packed, image, x)
	testkit.Close(t, "y", download(be, y), []float64{440.5, 360.5, 260.5, 140.5, 101, 2, 3, 4}, 0, 0)
	be.ConvForward(y, g, packed, tensor.T{}, x)
	testkit.Close(t, "y without image", download(be, y), []float64{40, 60, 60, 40, 1, 2, 3, 4}, 0, 0)

	dy := batch(be, []float64{1, 0, 0, 2, 0, 1, 0, 0}, 1, 2, 2, 2)
	dx := be.Batch(1, tensor.Of(1, 2, 2))
	be.ConvBackward(dx, g, packed, dy)
	testkit.Close(t, "dx", download(be, dx), []float64{40, 1, 0, 20}, 0, 0)

	dw, db, gsum := plain(be, []float64{9, 9, 9, 9, 8, 8, 8, 8, 7, 7, 7, 7, 6, 6, 6, 6}, 2, 2, 2, 2), be.Plain(tensor.Of(2)), be.Plain(tensor.Of(2, 2, 2))
	be.ConvGrad(dw, g, dy, x)
	be.SumBatch(gsum, dy, nil)
	testkit.Close(t, "time channel left alone", append(dw.Buf.F64[0:4:4], dw.Buf.F64[8:12]...), []float64{9, 9, 9, 9, 7, 7, 7, 7}, 0, 0)
	be.BiasImageGrad(dw, db, g, gsum, 100)
	testkit.Close(t, "dw", dw.Buf.F64, []float64{200, 0, 0, 100, 8, 0, 0, 1, 0, 0, 100, 0, 0, 0, 2, 0}, 0, 0)
	testkit.Close(t, "db", db.Buf.F64, []float64{3, 1}, 0, 0)
}

func TestGradientsBySampleByHand(t *testing.T) {
	be := ref.New()
	g := backend.Linear(2, 2, true, true)
	x, dy := batch(be, []float64{1, 2, 3, 4}, 2, 2), batch(be, []float64{1, 0, 10, 100}, 2, 2)
	dw, db := be.Batch(2, tensor.Of(6)), be.Batch(2, tensor.Of(2))
	be.ConvGradEach(dw, db, g, dy, x, []float64{5, 7})
	testkit.Close(t, "dw[n] = dy [t, x]^T", dw.Buf.F64, []float64{5, 1, 2, 0, 0, 0, 70, 30, 40, 700, 300, 400}, 0, 0)
	testkit.Close(t, "db[n] = dy", db.Buf.F64, []float64{1, 0, 10, 100}, 0, 0)
	be.ConvGradEach(dw, tensor.T{}, g, dy, x, []float64{2})
	testkit.Close(t, "one time for all", dw.Buf.F64, []float64{2, 1, 2, 0, 0, 0, 20, 30, 40, 200, 300, 400}, 0, 0)
}

// The gradients of all samples add up to that of the batch.
func TestGradientsBySampleAddUp(t *testing.T) {
	for name, g := range geometries {
		t.Run(name, func(t *testing.T) {
			be := ref.New()
			l := randomLayer(be, g)
			each, bias := be.Batch(l.n, tensor.Of(l.w.Size())), be.Batch(l.n, tensor.Of(g.Out))
			be.ConvGradEach(each, bias, g, l.dy, l.x, []float64{l.t})
			sum, dw := be.Plain(tensor.Of(l.w.Size())), be.Plain(l.w.Shape)
			be.SumBatch(sum, each, nil)
			gsum, db, biasSum := be.Plain(tensor.Of(g.OH(), g.OW(), g.Out)), be.Plain(tensor.Of(g.Out)), be.Plain(tensor.Of(g.Out))
			be.SumBatch(gsum, l.dy, nil)
			be.SumBatch(biasSum, bias, nil)
			be.ConvGrad(dw, g, l.dy, l.x)
			be.BiasImageGrad(dw, db, g, gsum, l.t)
			testkit.Close(t, "dw", sum.Buf.F64, dw.Buf.F64, 1e-12, 0)
			testkit.Close(t, "db", biasSum.Buf.F64, db.Buf.F64, 1e-12, 0)
		})
	}
}

func TestLinearByHand(t *testing.T) {
	be := ref.New()
	g := backend.Linear(2, 1, true, true)
	w, b := plain(be, []float64{7, 2, 3}, 1, 3), plain(be, []float64{-1}, 1)
	x := batch(be, []float64{1, 0, 10, 100}, 2, 2)
	image := be.Plain(tensor.Of(1, 1, 1))
	be.BiasImage(image, g, w, b, 0.5)
	y := be.Batch(2, tensor.Of(1))
	be.ConvForward(y, g, be.Pack(g, w), image, x)
	testkit.Close(t, "y = 7 t + 2 x0 + 3 x1 - 1", y.Buf.F64, []float64{4.5, 322.5}, 0, 0)
	be.BiasImage(image, g, w, tensor.T{}, 0.5)
	testkit.Close(t, "image without bias", image.Buf.F64, []float64{3.5}, 0, 0)

	gram := be.Plain(tensor.Of(4, 4))
	be.PatchGram(gram, g, x, []float64{0.5})
	testkit.Close(t, "gram of (t, x0, x1, 1)", gram.Buf.F64, []float64{
		0.5, 5.5, 50, 1,
		5.5, 101, 1000, 11,
		50, 1000, 10000, 100,
		1, 11, 100, 2,
	}, 0, 0)
	be.PatchGram(gram, g, x, []float64{0.5, 2})
	testkit.Close(t, "gram with a time of each sample", gram.Buf.F64, []float64{
		4.25, 20.5, 200, 2.5,
		20.5, 101, 1000, 11,
		200, 1000, 10000, 100,
		2.5, 11, 100, 2,
	}, 0, 0)
	cotangents := be.Plain(tensor.Of(1, 1))
	be.CotangentGram(cotangents, g, batch(be, []float64{2, 3}, 2, 1))
	testkit.Close(t, "gram of cotangents", cotangents.Buf.F64, []float64{13}, 0, 0)
}

var geometries = map[string]backend.Conv{
	"linear":                          backend.Linear(5, 3, false, true),
	"linear with time":                backend.Linear(5, 3, true, false),
	"3 x 3, padding 1":                {In: 2, Out: 3, H: 5, W: 4, Kernel: 3, Stride: 1, Padding: 1, Time: true, Bias: true},
	"3 x 3, stride 2":                 {In: 3, Out: 2, H: 7, W: 6, Kernel: 3, Stride: 2, Bias: true},
	"a stride that skips pixels":      {In: 1, Out: 2, H: 7, W: 7, Kernel: 2, Stride: 3, Time: true},
	"more padding than window":        {In: 2, Out: 1, H: 2, W: 3, Kernel: 2, Stride: 1, Padding: 3, Time: true, Bias: true},
	"a window as large as the image":  {In: 2, Out: 2, H: 3, W: 3, Kernel: 3, Stride: 1, Time: true, Bias: true},
	"1 x 1":                           {In: 4, Out: 3, H: 2, W: 2, Kernel: 1, Stride: 1, Bias: true},
	"stride, padding, time, no bias ": {In: 2, Out: 2, H: 6, W: 5, Kernel: 4, Stride: 2, Padding: 1, Time: true},
}

// layer is an affine map with random weights, input and cotangent.
type layer struct {
	g        backend.Conv
	w, b     tensor.T
	x, y, dy tensor.T
	n        int
	t        float64
}

func randomLayer(be backend.Backend, g backend.Conv) layer {
	const n = 3
	weights := tensor.Of(g.Out, g.Channels(), g.Kernel, g.Kernel)
	return layer{
		g: g, n: n, t: 0.7,
		w:  plain(be, testkit.Normal(1, weights.Size()), weights.Dims()...),
		b:  plain(be, testkit.Normal(2, g.Out), g.Out),
		x:  batch(be, testkit.Normal(3, n*g.In*g.H*g.W), n, g.In, g.H, g.W),
		y:  be.Batch(n, tensor.Of(g.Out, g.OH(), g.OW())),
		dy: batch(be, testkit.Normal(4, n*g.Out*g.OH()*g.OW()), n, g.Out, g.OH(), g.OW()),
	}
}

// forward is y = w * [t, x] + b.
func (l layer) forward(be backend.Backend) {
	image, b := be.Plain(tensor.Of(l.g.OH(), l.g.OW(), l.g.Out)), tensor.T{}
	if l.g.Bias {
		b = l.b
	}
	be.BiasImage(image, l.g, l.w, b, l.t)
	be.ConvForward(l.y, l.g, be.Pack(l.g, l.w), image, l.x)
}

// patch is z of output pixel (i, j) of sample n: [channel, u, v], time as channel 0 and a final 1 if Bias.
func (l layer) patch(x []float64, n, i, j int) []float64 {
	g, z := l.g, []float64(nil)
	for c := range g.Channels() {
		for u := range g.Kernel {
			for v := range g.Kernel {
				r, s := i*g.Stride+u-g.Padding, j*g.Stride+v-g.Padding
				value := 0.0
				if r >= 0 && r < g.H && s >= 0 && s < g.W {
					value = l.t
					if channel := c - (g.Channels() - g.In); channel >= 0 {
						value = x[((n*g.In+channel)*g.H+r)*g.W+s]
					}
				}
				z = append(z, value)
			}
		}
	}
	if g.Bias {
		z = append(z, 1)
	}
	return z
}

// Forward and the grams against patches written out from the definition.
func TestAgainstExplicitPatches(t *testing.T) {
	for name, g := range geometries {
		t.Run(name, func(t *testing.T) {
			be := ref.New()
			l := randomLayer(be, g)
			l.forward(be)
			x, size, fanIn := download(be, l.x), g.GramSize(), g.FanIn()
			gram, y := make([]float64, size*size), []float64(nil)
			for n := range l.n {
				for o := range g.Out {
					for i := range g.OH() {
						for j := range g.OW() {
							z, sum := l.patch(x, n, i, j), 0.0
							for k, w := range l.w.Buf.F64[o*fanIn:][:fanIn] {
								sum += w * z[k]
							}
							if g.Bias {
								sum += l.b.Buf.F64[o]
							}
							y = append(y, sum)
							for a := range z {
								for b := range z {
									gram[a*size+b] += z[a] * z[b] / float64(g.Out)
								}
							}
						}
					}
				}
			}
			testkit.Close(t, "y", download(be, l.y), y, 1e-13, 0)
			got := be.Plain(tensor.Of(size, size))
			be.PatchGram(got, g, l.x, []float64{l.t})
			testkit.Close(t, "gram of patches", got.Buf.F64, gram, 1e-12, 0)
		})
	}
}

// <dy, w * x> = <w^T dy, x> = <dw, w>, for each sample and for the whole batch.
func TestAdjointIdentity(t *testing.T) {
	for name, g := range geometries {
		t.Run(name, func(t *testing.T) {
			be := ref.New()
			l := randomLayer(be, g)
			packed := be.Pack(g, l.w)
			be.ConvForward(l.y, g, packed, tensor.T{}, l.x)
			dx := be.Batch(l.n, l.x.Shape)
			be.ConvBackward(dx, g, packed, l.dy)
			forward, backward := make([]float64, l.n), make([]float64, l.n)
			be.Dot(forward, l.dy, l.y)
			be.Dot(backward, dx, l.x)
			testkit.Close(t, "<dx, x>", backward, forward, 1e-13, 0)

			dw := plain(be, make([]float64, l.w.Size()), l.w.Shape.Dims()...) // with a zero time channel
			be.ConvGrad(dw, g, l.dy, l.x)
			total := []float64{0}
			be.Dot(total, dw, l.w)
			testkit.Close(t, "<dw, w>", total, []float64{forward[0] + forward[1] + forward[2]}, 1e-12, 0)
		})
	}
}

// The whole layer, bias and time channel too, against central differences of <dy, y>.
func TestLayerDerivatives(t *testing.T) {
	for name, g := range geometries {
		t.Run(name, func(t *testing.T) {
			be := ref.New()
			l := randomLayer(be, g)
			loss := func(parameter tensor.T) func([]float64) float64 {
				return func(v []float64) float64 {
					mark := be.Mark()
					defer be.Release(mark)
					be.Upload(parameter, tensor.Buffer{F64: v})
					l.forward(be)
					sum := make([]float64, l.n)
					be.Dot(sum, l.dy, l.y)
					return sum[0] + sum[1] + sum[2]
				}
			}
			numeric := func(parameter tensor.T) []float64 {
				v := download(be, parameter)
				defer be.Upload(parameter, tensor.Buffer{F64: v})
				return testkit.Gradient(loss(parameter), v)
			}
			dw, db, dx := be.Plain(l.w.Shape), tensor.T{}, be.Batch(l.n, l.x.Shape)
			if g.Bias {
				db = be.Plain(tensor.Of(g.Out))
			}
			gsum := be.Plain(tensor.Of(g.OH(), g.OW(), g.Out))
			be.ConvBackward(dx, g, be.Pack(g, l.w), l.dy)
			be.ConvGrad(dw, g, l.dy, l.x)
			be.SumBatch(gsum, l.dy, nil)
			be.BiasImageGrad(dw, db, g, gsum, l.t)
			testkit.Close(t, "dx", download(be, dx), numeric(l.x), 1e-8, 0)
			testkit.Close(t, "dw", dw.Buf.F64, numeric(l.w), 1e-8, 0)
			if g.Bias {
				testkit.Close(t, "db", db.Buf.F64, numeric(l.b), 1e-8, 0)
			}
		})
	}
}

func TestCotangentGram(t *testing.T) {
	for name, g := range geometries {
		t.Run(name, func(t *testing.T) {
			be := ref.New()
			l := randomLayer(be, g)
			dy, pixels := download(be, l.dy), g.OH()*g.OW()
			want := make([]float64, g.Out*g.Out)
			for n := range l.n {
				for p := range pixels {
					for a := range g.Out {
						for b := range g.Out {
							want[a*g.Out+b] += dy[(n*g.Out+a)*pixels+p] * dy[(n*g.Out+b)*pixels+p]
						}
					}
				}
			}
			got := be.Plain(tensor.Of(g.Out, g.Out))
			be.CotangentGram(got, g, l.dy)
			testkit.Close(t, fmt.Sprint("gram of ", g.Out), got.Buf.F64, want, 1e-12, 0)
		})
	}
}
