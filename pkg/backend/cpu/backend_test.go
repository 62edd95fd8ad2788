package cpu_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"odepipe/pkg/backend"
	"odepipe/pkg/backend/cpu"
	"odepipe/pkg/tensor"
)

// everyOperation runs all operations once on tensors of moderate size and returns what they wrote.
type everyOperation struct {
	be          *cpu.Backend
	conv        backend.Conv
	x, y, dx    tensor.T
	w, dw, db   tensor.T
	image, gram tensor.T
	gramY       tensor.T
	matrix      tensor.T
	coef        []float64
	states      []tensor.T
	sums        []float64
	times       []float64 // of each sample
	each        [][]float64
}

func newEveryOperation(threads int) *everyOperation {
	be := cpu.New(threads)
	g := backend.Conv{In: 20, Out: 18, H: 7, W: 6, Kernel: 3, Stride: 1, Padding: 1, Time: true, Bias: true}
	image, out := tensor.Of(g.In, g.H, g.W), tensor.Of(g.Out, g.H, g.W)
	o := &everyOperation{be: be, conv: g, sums: make([]float64, 100), coef: []float64{1, -2, 0.5},
		x: be.Batch(100, image), dx: be.Batch(100, image), y: be.Batch(100, out),
		w: be.Plain(tensor.Of(g.Out, g.Channels(), 3, 3)), dw: be.Plain(tensor.Of(g.Out, g.Channels(), 3, 3)), db: be.Plain(tensor.Of(g.Out)),
		image: be.Plain(tensor.Of(g.H, g.W, g.Out)), gram: be.Plain(tensor.Of(g.GramSize(), g.GramSize())),
		gramY: be.Plain(tensor.Of(g.Out, g.Out)), matrix: be.Plain(tensor.Of(g.GramSize(), g.GramSize()))}
	rng := rand.New(rand.NewPCG(7, 8))
	for _, t := range []tensor.T{o.x, o.y, o.w, o.dw, o.db, o.image} {
		for i := range t.Buf.F32 {
			t.Buf.F32[i] = float32(rng.NormFloat64())
		}
	}
	o.states = []tensor.T{o.x, o.dx, o.x}
	for range o.sums {
		o.times = append(o.times, rng.NormFloat64())
	}
	o.each = [][]float64{o.times, nil, o.times}
	return o
}

func (o *everyOperation) run() {
	be, g := o.be, o.conv
	mark := be.Mark()
	packed := be.Pack(g, o.w)
	be.BiasImage(o.image, g, o.w, o.db, 0.3)
	be.ConvForward(o.y, g, packed, o.image, o.x)
	be.Activate(o.y, backend.Tanh, o.y)
	be.ActivateGrad(o.y, backend.Softplus, o.y, o.y)
	be.ConvBackward(o.dx, g, packed, o.y)
	be.ConvGrad(o.dw, g, o.y, o.x)
	sum := be.Plain(o.image.Shape)
	be.SumBatch(sum, o.y, nil)
	be.BiasImageGrad(o.dw, o.db, g, sum, 0.3)
	be.SumBatch(o.image, o.y, o.times)
	be.DotImage(o.sums, o.y, o.image)
	be.AddImages(o.y, o.times, sum)
	be.Multiply(o.y, o.y, sum)
	be.Multiply(o.dx, o.dx, o.x)
	be.ConvGradEach(be.Batch(100, tensor.Of(o.dw.Shape.Size())), be.Batch(100, o.db.Shape), g, o.y, o.x, o.times)
	be.PatchGram(o.gram, g, o.x, o.times)
	be.CotangentGram(o.gramY, g, o.y)
	be.Gemm(o.matrix, false, o.gram, true, o.gram)
	be.Combine(o.dx, o.coef, o.states...)
	be.CombineEach(o.dx, o.each, o.states...)
	be.ActivateGrad2(o.dx, backend.Tanh, o.x, o.x, o.x)
	be.ScaledSquares(o.sums, o.coef, o.states, o.x, o.dx, 1, 1e-3)
	be.Dot(o.sums, o.x, o.dx)
	be.Flatten(be.Batch(100, tensor.Of(o.y.Shape.Size())), o.y)
	be.AvgPool(be.Batch(100, tensor.Of(g.Out, 3, 3)), 2, o.y)
	be.Part(be.Batch(100, tensor.Of(5)), o.y, 3)
	be.Join(be.Batch(100, tensor.Of(o.y.Shape.Size()+o.x.Shape.Size())), o.y, o.x)
	be.EigenScale(o.gramY, o.gramY, 0.9, 1, 1)
	be.Release(mark)
}

func TestResultsDoNotDependOnTheNumberOfThreads(t *testing.T) {
	one := newEveryOperation(1)
	defer one.be.Close()
	one.run()
	for _, threads := range []int{2, 3, 7} {
		many := newEveryOperation(threads)
		many.run()
		for i, pair := range [][2]tensor.T{{one.y, many.y}, {one.dx, many.dx}, {one.dw, many.dw}, {one.db, many.db},
			{one.gram, many.gram}, {one.gramY, many.gramY}, {one.matrix, many.matrix}} {
			same := slices.EqualFunc(pair[0].Buf.F32, pair[1].Buf.F32, func(a, b float32) bool {
				return math.Float32bits(a) == math.Float32bits(b)
			})
			if !same {
				t.Errorf("%d threads: result %d differs", threads, i)
			}
		}
		if !slices.Equal(one.sums, many.sums) {
			t.Errorf("%d threads: sums differ", threads)
		}
		many.be.Close()
	}
}

func TestOperationsDoNotAllocate(t *testing.T) {
	for _, threads := range []int{1, 2} {
		o := newEveryOperation(threads)
		o.run()
		if n := testing.AllocsPerRun(3, o.run); n != 0 {
			t.Errorf("%d threads: %g allocations", threads, n)
		}
		o.be.Close()
	}
}

func TestArenaHandsOutTheSameMemoryAfterRelease(t *testing.T) {
	be := cpu.New(1)
	defer be.Close()
	be.Plain(tensor.Of(5))
	mark := be.Mark()
	var first []*float32
	for round := range 3 {
		for i, size := range []int{1, 0, 17, 3 << 20, 1000, 1 << 20, 7} {
			s := be.Plain(tensor.Of(size)).Buf.F32
			if len(s) != size {
				t.Fatalf("asked for %d floats, got %d", size, len(s))
			}
			p := unsafe.SliceData(s)
			if uintptr(unsafe.Pointer(p))%64 != 0 {
				t.Errorf("%d floats are not aligned", size)
			}
			if round == 0 {
				first = append(first, p)
			} else if first[i] != p {
				t.Errorf("round %d: %d floats lie elsewhere", round, size)
			}
		}
		be.Release(mark)
	}
}

func TestUploadPadsWithTheLastSampleAndDownloadInverts(t *testing.T) {
	be := cpu.New(1)
	defer be.Close()
	x := be.Batch(18, tensor.Of(3, 2, 2))
	in, out := tensor.Float64.Make(18*12), tensor.Float32.Make(18*12)
	for i := range in.F64 {
		in.F64[i] = float64(i)
	}
	be.Upload(x, in)
	if got := x.Buf.F32[(12+3*1+2)*16+5]; got != 17*12+2*4+1 { // block 1, pixel 1, channel 2, lane 5
		t.Errorf("padding holds %g", got)
	}
	be.Download(out, x)
	for i := range in.F64 {
		if float64(out.F32[i]) != in.F64[i] {
			t.Fatalf("element %d comes back as %g", i, out.F32[i])
		}
	}
}

func TestUnavailableKernelsFallBack(t *testing.T) {
	t.Setenv("ODEPIPE_CPU", "generic")
	if be := cpu.New(1); be.Kernels() != "generic" {
		t.Errorf("asked for generic, got %s", be.Kernels())
	}
	t.Setenv("ODEPIPE_CPU", "avx1024")
	asked := cpu.New(1).Kernels()
	t.Setenv("ODEPIPE_CPU", "")
	if best := cpu.New(1).Kernels(); asked != best {
		t.Errorf("asked for an unknown set, got %s instead of %s", asked, best)
	}
}
