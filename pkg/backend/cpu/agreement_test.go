package cpu_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"odepipe/pkg/backend"
	"odepipe/pkg/backend/cpu"
	"odepipe/pkg/backend/ref"
	"odepipe/pkg/tensor"
	"odepipe/pkg/testkit"
)

// twin is one tensor on both backends.
type twin struct{ fast, exact tensor.T }

// bench holds a backend under test beside the reference.
type bench struct {
	*testing.T
	fast  *cpu.Backend
	exact *ref.Backend
	rng   *rand.Rand
}

// eachSet runs a test with every set of kernels that this machine has, on one thread and on three.
func eachSet(t *testing.T, test func(b bench)) {
	for _, set := range []string{"avx512", "avx2", "generic"} {
		t.Setenv("ODEPIPE_CPU", set)
		for _, threads := range []int{1, 3} {
			fast := cpu.New(threads)
			defer fast.Close()
			if fast.Kernels() != set {
				t.Logf("this machine does not have %s", set)
				break
			}
			t.Run(fmt.Sprintf("%s on %d threads", set, threads), func(t *testing.T) {
				test(bench{t, fast, ref.New(), rand.New(rand.NewPCG(1, 2))})
			})
		}
	}
}

// random makes a tensor of normal numbers, a batch if n > 0.
func (b bench) random(n int, shape tensor.Shape) twin {
	var w twin
	if n > 0 {
		w = twin{b.fast.Batch(n, shape), b.exact.Batch(n, shape)}
	} else {
		w = twin{b.fast.Plain(shape), b.exact.Plain(shape)}
	}
	values := tensor.Float32.Make(w.exact.Size())
	for i := range values.F32 {
		values.F32[i] = float32(b.rng.NormFloat64())
	}
	b.fast.Upload(w.fast, values)
	b.exact.Upload(w.exact, values)
	if rest := n % 16; rest > 0 { // nothing may depend on the padding
		for i, size := (n-rest)*shape.Size(), len(w.fast.Buf.F32); i < size; i++ {
			if i%16 >= rest {
				w.fast.Buf.F32[i] = float32(b.rng.NormFloat64())
			}
		}
	}
	return w
}

// agree compares both sides, entries being sums of about so many products of normal numbers.
func (b bench) agree(what string, w twin, terms int) {
	b.Helper()
	got, want := tensor.Float64.Make(w.exact.Size()), tensor.Float64.Make(w.exact.Size())
	b.fast.Download(got, w.fast)
	b.exact.Download(want, w.exact)
	testkit.Close(b, what, got.F64, want.F64, 2e-6+1.5e-7*float64(terms), 2e-5)
}

// agreeAffine is agree for the result of an affine map. Convolutions of 3x3 taps, or 4x4 of stride 2, and more than a few
// channels are computed by minimal filtering, whose error is at most 5e-6 of the largest number.
func (b bench) agreeAffine(what string, g backend.Conv, w twin, terms int) {
	b.Helper()
	if g.Kernel != 3*g.Stride && g.Kernel != 2*g.Stride || min(g.In, g.Out) < 16 {
		b.agree(what, w, terms)
		return
	}
	got, want := tensor.Float64.Make(w.exact.Size()), tensor.Float64.Make(w.exact.Size())
	b.fast.Download(got, w.fast)
	b.exact.Download(want, w.exact)
	largest := 0.0
	for _, v := range want.F64 {
		largest = max(largest, math.Abs(v))
	}
	testkit.Close(b, what, got.F64, want.F64, 5e-6*largest, 0)
}

// geometries of convolutions and linear layers: those of the models, small ones, and awkward ones.
var geometries = []backend.Conv{
	backend.Linear(1, 1, false, false),
	backend.Linear(7, 13, true, true),
	backend.Linear(0, 9, true, true),
	backend.Linear(0, 5, true, false),
	backend.Linear(16, 6, false, true),
	backend.Linear(300, 50, true, true),
	backend.Linear(61, 530, false, false),
	{In: 1, Out: 5, H: 5, W: 6, Kernel: 3, Stride: 1},
	{In: 30, Out: 26, H: 6, W: 6, Kernel: 3, Stride: 1, Padding: 1, Time: true, Bias: true},
	{In: 24, Out: 30, H: 8, W: 7, Kernel: 4, Stride: 2, Padding: 1, Bias: true},
	{In: 3, Out: 17, H: 9, W: 7, Kernel: 3, Stride: 1, Padding: 1, Time: true},
	{In: 5, Out: 4, H: 13, W: 13, Kernel: 4, Stride: 2, Padding: 1, Bias: true},
	{In: 2, Out: 3, H: 7, W: 8, Kernel: 2, Stride: 3, Padding: 0, Time: true, Bias: true},
	{In: 3, Out: 2, H: 5, W: 4, Kernel: 5, Stride: 1, Padding: 4, Time: true, Bias: true},
	{In: 4, Out: 1, H: 6, W: 5, Kernel: 1, Stride: 1, Bias: true},
	{In: 2, Out: 3, H: 3, W: 3, Kernel: 1, Stride: 2, Padding: 1, Time: true, Bias: true},
	{In: 2, Out: 2, H: 1, W: 1, Kernel: 3, Stride: 1, Padding: 1, Bias: true},
	{In: 2, Out: 3, H: 1, W: 1, Kernel: 1, Stride: 3, Padding: 1, Time: true, Bias: true}, // no tap is ever inside
	{In: 3, Out: 5, H: 9, W: 11, Kernel: 3, Stride: 2, Padding: 2, Time: true, Bias: true},
}

func shapes(g backend.Conv) (x, y, w tensor.Shape) {
	if g.H*g.W == 1 && g.Kernel == 1 {
		return tensor.Of(g.In), tensor.Of(g.Out), tensor.Of(g.Out, g.Channels())
	}
	return tensor.Of(g.In, g.H, g.W), tensor.Of(g.Out, g.OH(), g.OW()), tensor.Of(g.Out, g.Channels(), g.Kernel, g.Kernel)
}

func TestAffineMapsAgreeWithTheReference(t *testing.T) {
	eachSet(t, func(b bench) {
		for _, g := range geometries {
			for _, n := range []int{1, 16, 19} {
				b.Run(fmt.Sprintf("%+v, %d samples", g, n), func(t *testing.T) {
					b := b
					b.T = t
					m, e := b.fast.Mark(), b.exact.Mark()
					affine(b, g, n)
					b.fast.Release(m)
					b.exact.Release(e)
				})
			}
		}
	})
}

func affine(b bench, g backend.Conv, n int) {
	const t = 0.7
	shapeX, shapeY, shapeW := shapes(g)
	pixels := tensor.Of(g.OH(), g.OW(), g.Out)
	x, dy, w, bias := b.random(n, shapeX), b.random(n, shapeY), b.random(0, shapeW), b.random(0, tensor.Of(g.Out))
	packed, exactPacked := b.fast.Pack(g, w.fast), b.exact.Pack(g, w.exact)

	image := b.random(0, pixels)
	if !g.Bias {
		bias = twin{}
	}
	b.fast.BiasImage(image.fast, g, w.fast, bias.fast, t)
	b.exact.BiasImage(image.exact, g, w.exact, bias.exact, t)
	b.agree("bias image", image, g.Kernel*g.Kernel)

	y := b.random(n, shapeY)
	b.fast.ConvForward(y.fast, g, packed, image.fast, x.fast)
	b.exact.ConvForward(y.exact, g, exactPacked, image.exact, x.exact)
	b.agreeAffine("forward", g, y, g.FanIn())
	b.fast.ConvForward(y.fast, g, packed, tensor.T{}, x.fast)
	b.exact.ConvForward(y.exact, g, exactPacked, tensor.T{}, x.exact)
	b.agreeAffine("forward without bias image", g, y, g.FanIn())

	dx := b.random(n, shapeX)
	b.fast.ConvBackward(dx.fast, g, packed, dy.fast)
	b.exact.ConvBackward(dx.exact, g, exactPacked, dy.exact)
	b.agreeAffine("backward", g, dx, g.Out*g.Kernel*g.Kernel)

	dw, sum := b.random(0, shapeW), b.random(0, shapeY)
	b.fast.ConvGrad(dw.fast, g, dy.fast, x.fast)
	b.exact.ConvGrad(dw.exact, g, dy.exact, x.exact)
	b.agreeAffine("weight gradient", g, dw, n*pixels.Size()/g.Out)
	b.fast.SumBatch(sum.fast, dy.fast, nil)
	b.exact.SumBatch(sum.exact, dy.exact, nil)
	b.fast.BiasImageGrad(dw.fast, bias.fast, g, sum.fast, t)
	b.exact.BiasImageGrad(dw.exact, bias.exact, g, sum.exact, t)
	b.agreeAffine("weight gradient with its time channel", g, dw, n*pixels.Size()/g.Out)
	if g.Bias {
		b.agree("bias gradient", bias, n*pixels.Size()/g.Out)
	}
	each, eachBias := b.random(n, tensor.Of(shapeW.Size())), b.random(n, tensor.Of(g.Out))
	if !g.Bias {
		eachBias = twin{}
	}
	times := b.numbers(n)
	if n == 16 {
		times = []float64{t}
	}
	b.fast.ConvGradEach(each.fast, eachBias.fast, g, dy.fast, x.fast, times)
	b.exact.ConvGradEach(each.exact, eachBias.exact, g, dy.exact, x.exact, times)
	b.agree("weight gradients by sample", each, pixels.Size()/g.Out)
	if g.Bias {
		b.agree("bias gradients by sample", eachBias, pixels.Size()/g.Out)
	}
	if k := g.GramSize(); k < 700 {
		gram := b.random(0, tensor.Of(k, k))
		b.fast.PatchGram(gram.fast, g, x.fast, times)
		b.exact.PatchGram(gram.exact, g, x.exact, times)
		b.agree("patch Gram matrix", gram, n*pixels.Size()/g.Out)
	}
	gram := b.random(0, tensor.Of(g.Out, g.Out))
	b.fast.CotangentGram(gram.fast, g, dy.fast)
	b.exact.CotangentGram(gram.exact, g, dy.exact)
	b.agree("cotangent Gram matrix", gram, n*pixels.Size()/g.Out)
}

func TestMatrixProductsAgreeWithTheReference(t *testing.T) {
	sizes := [][3]int{{1, 1, 1}, {2, 3, 5}, {17, 16, 16}, {7, 300, 33}, {64, 59, 48}, {31, 1, 100}, {50, 530, 15}, {530, 300, 40}, {5, 0, 7}, {0, 3, 4}}
	eachSet(t, func(b bench) {
		for _, s := range sizes {
			for flags := 0; flags < 4; flags++ {
				transA, transB := flags&1 == 1, flags&2 == 2
				a, c, dst := tensor.Of(s[0], s[1]), tensor.Of(s[1], s[2]), b.random(0, tensor.Of(s[0], s[2]))
				if transA {
					a = tensor.Of(s[1], s[0])
				}
				if transB {
					c = tensor.Of(s[2], s[1])
				}
				x, y := b.random(0, a), b.random(0, c)
				b.fast.Gemm(dst.fast, transA, x.fast, transB, y.fast)
				b.exact.Gemm(dst.exact, transA, x.exact, transB, y.exact)
				b.agree(fmt.Sprintf("%v, transposed %v and %v", s, transA, transB), dst, s[1])
			}
		}
	})
}

func TestElementwiseOperationsAgreeWithTheReference(t *testing.T) {
	kinds := []struct {
		name  string
		n     int
		shape tensor.Shape
	}{
		{"one number", 0, tensor.Of()}, {"a plain vector", 0, tensor.Of(37)}, {"an empty vector", 0, tensor.Of(0)},
		{"a long plain vector", 0, tensor.Of(40003)}, {"one sample", 1, tensor.Of(3)},
		{"a batch of images", 18, tensor.Of(5, 6, 7)}, {"a large batch", 130, tensor.Of(12, 6, 6)},
	}
	eachSet(t, func(b bench) {
		for _, k := range kinds {
			b.Run(k.name, func(t *testing.T) {
				b := b
				b.T = t
				elementwise(b, k.n, k.shape)
			})
		}
	})
}

func elementwise(b bench, n int, shape tensor.Shape) {
	for terms := 0; terms <= 9; terms++ {
		coef := make([]float64, terms)
		fast, exact := make([]tensor.T, terms), make([]tensor.T, terms)
		dst := b.random(n, shape)
		for i := range coef {
			w := b.random(n, shape)
			if fast[i], exact[i], coef[i] = w.fast, w.exact, b.rng.NormFloat64(); i == 1 {
				coef[i] = 0
				b.fast.Combine(w.fast, nil)
			}
			if i == 2 { // dst may be a term
				fast[i], exact[i] = dst.fast, dst.exact
			}
		}
		y0, y1 := b.random(n, shape), b.random(n, shape)
		got, want := make([]float64, max(n, 1)), make([]float64, max(n, 1))
		got[0], want[0] = 3, 3
		b.fast.ScaledSquares(got, coef, fast, y0.fast, y1.fast, 1e-3, 1e-2)
		b.exact.ScaledSquares(want, coef, exact, y0.exact, y1.exact, 1e-3, 1e-2)
		testkit.Close(b, fmt.Sprintf("scaled squares of %d terms", terms), got, want, 0, 1e-5)
		b.fast.Combine(dst.fast, coef, fast...)
		b.exact.Combine(dst.exact, coef, exact...)
		b.agree(fmt.Sprintf("combination of %d terms", terms), dst, terms)
	}
	x, y, v, dst := b.random(n, shape), b.random(n, shape), b.random(n, shape), b.random(n, shape)
	got, want := make([]float64, max(n, 1)), make([]float64, max(n, 1))
	b.fast.Dot(got, x.fast, y.fast)
	b.exact.Dot(want, x.exact, y.exact)
	testkit.Close(b, "dot", got, want, 1e-2, 1e-4)
	b.fast.Multiply(dst.fast, x.fast, y.fast)
	b.exact.Multiply(dst.exact, x.exact, y.exact)
	b.agree("product", dst, 1)
	b.fast.Multiply(dst.fast, v.fast, dst.fast)
	b.exact.Multiply(dst.exact, v.exact, dst.exact)
	b.agree("product in place", dst, 1)
	for a := range backend.Activations {
		b.fast.Activate(dst.fast, backend.Activation(a), x.fast)
		b.exact.Activate(dst.exact, backend.Activation(a), x.exact)
		b.agree(backend.Activations[a], dst, 1)
		b.fast.ActivateGrad(dst.fast, backend.Activation(a), y.fast, x.fast)
		b.exact.ActivateGrad(dst.exact, backend.Activation(a), y.exact, x.exact)
		b.agree("derivative of "+backend.Activations[a], dst, 1)
		b.fast.ActivateGrad2(dst.fast, backend.Activation(a), y.fast, v.fast, x.fast)
		b.exact.ActivateGrad2(dst.exact, backend.Activation(a), y.exact, v.exact, x.exact)
		b.agree("second derivative of "+backend.Activations[a], dst, 4)
	}
	if n == 0 {
		return
	}
	sum := b.random(0, shape)
	b.fast.SumBatch(sum.fast, x.fast, nil)
	b.exact.SumBatch(sum.exact, x.exact, nil)
	b.agree("sum over the batch", sum, n)
}

func TestImageOperationsAgreeWithTheReference(t *testing.T) {
	eachSet(t, func(b bench) {
		for _, k := range []int{1, 2, 3} {
			large, small := tensor.Of(5, 7, 8), tensor.Of(5, 7/k, 8/k)
			x, y := b.random(19, large), b.random(19, small)
			b.fast.AvgPool(y.fast, k, x.fast)
			b.exact.AvgPool(y.exact, k, x.exact)
			b.agree("average pool", y, k*k)
			b.fast.AvgPoolGrad(x.fast, k, y.fast)
			b.exact.AvgPoolGrad(x.exact, k, y.exact)
			b.agree("gradient of the average pool", x, 1)
		}
		x, flat := b.random(19, tensor.Of(5, 7, 8)), b.random(19, tensor.Of(5*7*8))
		b.fast.Flatten(flat.fast, x.fast)
		b.exact.Flatten(flat.exact, x.exact)
		b.agree("flatten", flat, 0)
		flat = b.random(19, tensor.Of(5*7*8))
		b.fast.Unflatten(x.fast, flat.fast)
		b.exact.Unflatten(x.exact, flat.exact)
		b.agree("unflatten", x, 0)
	})
}

func TestPartsOfVectorsAgreeWithTheReference(t *testing.T) {
	eachSet(t, func(b bench) {
		for _, n := range []int{1, 16, 35} {
			for _, size := range [][2]int{{1, 1}, {7, 32}, {0, 3}, {5, 0}} {
				x, y, joined := b.random(n, tensor.Of(size[0])), b.random(n, tensor.Of(size[1])), b.random(n, tensor.Of(size[0]+size[1]))
				b.fast.Join(joined.fast, x.fast, y.fast)
				b.exact.Join(joined.exact, x.exact, y.exact)
				b.agree("joined vectors", joined, 0)
				joined = b.random(n, joined.exact.Shape)
				b.fast.Part(y.fast, joined.fast, size[0])
				b.exact.Part(y.exact, joined.exact, size[0])
				b.agree("part of vectors", y, 0)
			}
		}
	})
}

func TestUpdatesAgreeWithTheReference(t *testing.T) {
	eachSet(t, func(b bench) {
		for _, size := range []int{1, 35, 20000} {
			shape := tensor.Of(size)
			p, m, v, g, s := b.random(0, shape), b.random(0, shape), b.random(0, shape), b.random(0, shape), b.random(0, shape)
			for _, w := range []twin{v, s} {
				for i := range size {
					w.fast.Buf.Set(i, w.fast.Buf.At(i)*w.fast.Buf.At(i))
					w.exact.Buf.Set(i, w.fast.Buf.At(i))
				}
			}
			b.fast.AdamStep(p.fast, m.fast, v.fast, g.fast, 0.1, 0.9, 0.999, 1e-8, 3)
			b.exact.AdamStep(p.exact, m.exact, v.exact, g.exact, 0.1, 0.9, 0.999, 1e-8, 3)
			b.agree("Adam's parameters", p, 1)
			b.agree("Adam's first moment", m, 1)
			b.agree("Adam's second moment", v, 1)
			b.fast.EigenScale(g.fast, s.fast, 0.95, 128, 1e-3)
			b.exact.EigenScale(g.exact, s.exact, 0.95, 128, 1e-3)
			b.agree("rescaled gradient", g, 1)
			b.agree("eigenvalues", s, 1)
		}
	})
}
