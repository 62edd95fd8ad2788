package cpu

import (
	"fmt"
	"testing"

	"odepipe/pkg/backend"
	"odepipe/pkg/tensor"
)

// rate reports GFLOP/s for an operation of so many multiply-adds.
func rate(b *testing.B, fma int) {
	b.ReportMetric(2*float64(fma)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(b.Elapsed().Seconds()*1e3/float64(b.N), "ms/op")
}

// BenchmarkPeak runs the tile kernel with everything in the first-level cache: what the other figures are measured by.
func BenchmarkPeak(b *testing.B) {
	be := New(1)
	defer be.Close()
	rows, steps := be.kernels.tileRows, 128
	p := tilePlan{}
	p.planMatrix(rows, steps)
	be.product = product{plan: &p, a: be.arena.take(rows * steps), b: be.arena.take(steps * lanes), blockB: 0,
		dst: be.arena.take(rows * lanes * 512), stride: lanes, columns: 512}
	clear(be.product.a)
	clear(be.product.b)
	for i := 0; i < b.N; i++ {
		be.compute()
	}
	rate(b, rows*steps*lanes*512)
}

// layers are those of the models. GFLOP/s are those of the direct form, which some layers can be told to take.
var layers = []struct {
	name   string
	n      int
	g      backend.Conv
	direct bool
}{
	{"mnist 64-64 3x3 6x6", 128, backend.Conv{In: 64, Out: 64, H: 6, W: 6, Kernel: 3, Stride: 1, Padding: 1, Time: true, Bias: true}, false},
	{"mnist 64-64 3x3 6x6 direct", 128, backend.Conv{In: 64, Out: 64, H: 6, W: 6, Kernel: 3, Stride: 1, Padding: 1, Time: true, Bias: true}, true},
	{"mnist 64-64 4x4s2 26x26", 128, backend.Conv{In: 64, Out: 64, H: 26, W: 26, Kernel: 4, Stride: 2, Padding: 1, Bias: true}, false},
	{"mnist 1-64 3x3 28x28", 128, backend.Conv{In: 1, Out: 64, H: 28, W: 28, Kernel: 3, Stride: 1, Bias: true}, false},
	{"cifar10 64-64 3x3 7x7", 128, backend.Conv{In: 64, Out: 64, H: 7, W: 7, Kernel: 3, Stride: 1, Padding: 1, Time: true, Bias: true}, false},
	{"cifar10 64-64 3x3 7x7 direct", 128, backend.Conv{In: 64, Out: 64, H: 7, W: 7, Kernel: 3, Stride: 1, Padding: 1, Time: true, Bias: true}, true},
	{"linear 860-860", 128, backend.Linear(860, 860, true, true), false},
	{"linear 160-160", 1000, backend.Linear(160, 160, true, true), false},
	{"linear 32-32", 512, backend.Linear(32, 32, false, true), false},
	{"linear 64-64", 128, backend.Linear(64, 64, false, true), false},
	{"linear 64-64", 512, backend.Linear(64, 64, true, true), false},
}

func BenchmarkAffine(b *testing.B) {
	for _, l := range layers {
		for _, threads := range []int{1, 2} {
			be := New(threads)
			g := l.g
			if l.direct {
				p := be.planOf(g)
				p.filterForward, p.filterBackward, p.filterGrad = nil, nil, nil
			}
			x, y := be.Batch(l.n, tensor.Of(g.In, g.H, g.W)), be.Batch(l.n, tensor.Of(g.Out, g.OH(), g.OW()))
			w, image := be.Plain(tensor.Of(g.Out, g.FanIn())), be.Plain(y.Shape)
			gramX, gramY := be.Plain(tensor.Of(g.GramSize(), g.GramSize())), be.Plain(tensor.Of(g.Out, g.Out))
			for _, t := range []tensor.T{x, y, w, image} {
				for i := range t.Buf.F32 {
					t.Buf.F32[i] = float32(i%7) - 3
				}
			}
			packed := be.Pack(g, w)
			fma := be.planOf(g).forward.cost * g.Out * l.n
			for _, op := range []struct {
				name string
				fma  int
				run  func()
			}{
				{"pack", 2 * w.Shape.Size(), func() { mark := be.Mark(); be.Pack(g, w); be.Release(mark) }},
				{"forward", fma, func() { be.ConvForward(y, g, packed, image, x) }},
				{"backward", fma, func() { be.ConvBackward(x, g, packed, y) }},
				{"grad", fma, func() { be.ConvGrad(w, g, y, x) }},
				{"patch gram", l.n * g.GramSize() * g.GramSize() * g.OH() * g.OW() / 2, func() { be.PatchGram(gramX, g, x, []float64{0.5}) }},
				{"cotangent gram", l.n * g.Out * g.Out * g.OH() * g.OW() / 2, func() { be.CotangentGram(gramY, g, y) }},
			} {
				b.Run(fmt.Sprintf("%s/%s/%d", l.name, op.name, threads), func(b *testing.B) {
					for i := 0; i < b.N; i++ {
						op.run()
					}
					rate(b, op.fma)
				})
			}
			be.Close()
		}
	}
}

func BenchmarkGemm(b *testing.B) {
	for _, size := range [][3]int{{585, 585, 585}, {64, 585, 585}, {64, 64, 585}, {860, 860, 860}} {
		for _, transB := range []bool{false, true} {
			for _, threads := range []int{1, 2} {
				b.Run(fmt.Sprintf("%v transposed %v/%d", size, transB, threads), func(b *testing.B) {
					be := New(threads)
					defer be.Close()
					x, y, dst := be.Plain(tensor.Of(size[0], size[1])), be.Plain(tensor.Of(size[1], size[2])), be.Plain(tensor.Of(size[0], size[2]))
					clear(x.Buf.F32)
					clear(y.Buf.F32)
					if transB {
						y.Shape = tensor.Of(size[2], size[1])
					}
					for i := 0; i < b.N; i++ {
						be.Gemm(dst, false, x, transB, y)
					}
					rate(b, size[0]*size[1]*size[2])
				})
			}
		}
	}
}

func BenchmarkElementwise(b *testing.B) {
	for _, threads := range []int{1, 2} {
		be := New(threads)
		var k [7]tensor.T
		coef := make([]float64, len(k))
		for i := range k {
			k[i] = be.Batch(128, tensor.Of(64, 6, 6))
			clear(k[i].Buf.F32)
			coef[i] = float64(i + 1)
		}
		sum := make([]float64, 128)
		var each [len(k)][]float64
		for i := range each {
			each[i] = make([]float64, 128)
			for n := range each[i] {
				each[i][n] = coef[i]
			}
		}
		plain := be.Plain(tensor.Of(64, 6, 6))
		for _, op := range []struct {
			name string
			run  func()
		}{
			{"combine 7", func() { be.Combine(k[0], coef, k[:]...) }},
			{"combine 2", func() { be.Combine(k[0], coef[:2], k[:2]...) }},
			{"combine 7 by sample", func() { be.CombineEach(k[0], each[:], k[:]...) }},
			{"scaled squares 6", func() { be.ScaledSquares(sum, coef[:6], k[:6], k[0], k[1], 1e-3, 1e-3) }},
			{"dot", func() { be.Dot(sum, k[0], k[1]) }},
			{"multiply", func() { be.Multiply(k[0], k[0], k[1]) }},
			{"multiply by an image", func() { be.Multiply(k[0], k[0], plain) }},
			{"add images", func() { be.AddImages(k[0], coef[:1], plain) }},
			{"sum batch", func() { be.SumBatch(plain, k[0], nil) }},
			{"relu", func() { be.Activate(k[0], backend.ReLU, k[1]) }},
			{"relu grad", func() { be.ActivateGrad(k[0], backend.ReLU, k[0], k[1]) }},
			{"tanh", func() { be.Activate(k[0], backend.Tanh, k[1]) }},
			{"softplus", func() { be.Activate(k[0], backend.Softplus, k[1]) }},
			{"gelu", func() { be.Activate(k[0], backend.GELU, k[1]) }},
			{"flatten", func() { be.Flatten(k[0].Reshaped(tensor.Of(64*36)), k[1]) }},
		} {
			b.Run(fmt.Sprintf("%s/%d", op.name, threads), func(b *testing.B) {
				for i := 0; i < b.N; i++ {
					op.run()
				}
				b.ReportMetric(b.Elapsed().Seconds()*1e9/float64(b.N)/float64(len(k[0].Buf.F32)), "ns/element")
			})
		}
		be.Close()
	}
}

// BenchmarkBySample runs the operations with numbers of each sample's own, and second derivatives, on the first layer.
func BenchmarkBySample(b *testing.B) {
	g, n := layers[0].g, layers[0].n
	for _, threads := range []int{1, 2} {
		be := New(threads)
		x, y, image := be.Batch(n, tensor.Of(g.In, g.H, g.W)), be.Batch(n, tensor.Of(g.Out, g.OH(), g.OW())), be.Plain(tensor.Of(g.OH(), g.OW(), g.Out))
		dw, db := be.Batch(n, tensor.Of(g.Out*g.FanIn())), be.Batch(n, tensor.Of(g.Out))
		for _, t := range []tensor.T{x, y, image} {
			clear(t.Buf.F32)
		}
		times, sum := make([]float64, n), make([]float64, n)
		for _, op := range []struct {
			name string
			run  func()
		}{
			{"grad each", func() { be.ConvGradEach(dw, db, g, y, x, times) }},
			{"sum batch", func() { be.SumBatch(image, y, times) }},
			{"add images", func() { be.AddImages(y, times, image) }},
			{"dot image", func() { be.DotImage(sum, y, image) }},
			{"tanh second derivative", func() { be.ActivateGrad2(x, backend.Tanh, y, y, y) }},
			{"softplus second derivative", func() { be.ActivateGrad2(x, backend.Softplus, y, y, y) }},
		} {
			b.Run(fmt.Sprintf("%s/%d", op.name, threads), func(b *testing.B) {
				for i := 0; i < b.N; i++ {
					op.run()
				}
			})
		}
		be.Close()
	}
}
