package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"odepipe/pkg/backend"
	"odepipe/pkg/backend/ref"
	"odepipe/pkg/tensor"
)

func TestCoversMeetAllPixels(t *testing.T) {
	for pixels := 2; pixels < 40; pixels++ {
		next, size := 0, 0
		for _, s := range cover(span{0, pixels}, false) {
			if n := s.hi - s.lo; s.lo != next || n < 2 || n > 4 {
				t.Errorf("%d pixels: tile %v after pixel %d", pixels, s, next)
			}
			next = s.hi
		}
		if next != pixels {
			t.Errorf("%d pixels: the tiles end at %d", pixels, next)
		}
		uniform := cover(span{0, pixels}, true)
		for i, s := range uniform {
			if i == 0 {
				size = s.hi
			}
			if s.lo != i*size || s.hi != s.lo+size || size < 2 || size > 4 || s.lo >= pixels {
				t.Errorf("%d pixels: uniform tiles %v", pixels, uniform)
			}
		}
		if len(uniform)*size < pixels {
			t.Errorf("%d pixels: uniform tiles end at %d", pixels, len(uniform)*size)
		}
	}
}

func TestMinimalFilteringIsForEnoughChannelsAndPixels(t *testing.T) {
	be := New(1)
	defer be.Close()
	for _, c := range []struct {
		name string
		g    backend.Conv
		used bool
	}{
		{"MNIST's field", backend.Conv{In: 64, Out: 64, H: 6, W: 6, Kernel: 3, Stride: 1, Padding: 1, Time: true}, true},
		{"without padding", backend.Conv{In: 64, Out: 64, H: 9, W: 9, Kernel: 3, Stride: 1}, true},
		{"few channels", backend.Conv{In: 8, Out: 8, H: 6, W: 6, Kernel: 3, Stride: 1, Padding: 1}, false},
		{"one channel", backend.Conv{In: 1, Out: 64, H: 28, W: 28, Kernel: 3, Stride: 1}, false},
		{"one pixel", backend.Conv{In: 64, Out: 64, H: 1, W: 1, Kernel: 3, Stride: 1, Padding: 1}, false},
		{"MNIST's second layer", backend.Conv{In: 64, Out: 64, H: 26, W: 26, Kernel: 4, Stride: 2, Padding: 1}, true},
		{"3 x 3 taps of stride 2", backend.Conv{In: 64, Out: 64, H: 6, W: 6, Kernel: 3, Stride: 2, Padding: 1}, false},
		{"4 x 4 taps of stride 1", backend.Conv{In: 64, Out: 64, H: 6, W: 6, Kernel: 4, Stride: 1, Padding: 1}, false},
		{"a wide border", backend.Conv{In: 64, Out: 64, H: 6, W: 6, Kernel: 3, Stride: 1, Padding: 3}, false},
	} {
		p := be.planOf(c.g)
		if filtersGrad(p.filterGrad, 16) || filtersGrad(p.filterGrad, 24*16) != c.used {
			t.Errorf("%s: the gradient of one block or of 24 is by another form", c.name)
		}
		if got := [3]bool{p.filterForward != nil, p.filterBackward != nil, p.filterGrad != nil}; got != [3]bool{c.used, c.used, c.used} {
			t.Errorf("%s: forward, backward and gradient by minimal filtering: %v", c.name, got)
		}
	}
}

// TestMinimalFilteringKeepsItsErrorBound compares all three operations with float64, for every combination of tile sizes
// and with tiles beyond the edge. The bounds are those in the documentation of filterPlan.
func TestMinimalFilteringKeepsItsErrorBound(t *testing.T) {
	for _, c := range []struct {
		h, w, kernel, stride, padding int
		bound                         float64
	}{
		{2, 2, 3, 1, 1, 1e-6}, {2, 3, 3, 1, 1, 5e-6}, {4, 2, 3, 1, 1, 5e-6}, {3, 3, 3, 1, 1, 5e-6}, {3, 4, 3, 1, 1, 5e-6},
		{6, 6, 3, 1, 1, 5e-6}, {7, 7, 3, 1, 1, 5e-6}, {6, 11, 3, 1, 0, 5e-6}, {4, 5, 3, 1, 2, 5e-6},
		{4, 6, 4, 2, 1, 5e-6}, {9, 13, 4, 2, 1, 5e-6}, {9, 8, 4, 2, 2, 5e-6}, {11, 8, 6, 2, 0, 5e-6}, {7, 6, 2, 1, 1, 5e-6},
	} {
		const samples = 17
		l := newFilterLayer(backend.Conv{In: 64, Out: 24, H: c.h, W: c.w, Kernel: c.kernel, Stride: c.stride, Padding: c.padding, Time: true}, samples)
		exact := ref.New()
		want := l.run(exact, func(dw, dy, x tensor.T) { exact.ConvGrad(dw, l.g, dy, x) })
		vectorised(t, func(t *testing.T, k *kernels) {
			be := New(2)
			defer be.Close()
			be.kernels = k
			const always = 1 << 40 // what the direct form would cost
			p := be.planOf(l.g)
			p.filterForward, p.filterBackward = planFilter(l.g, false, false, always), planFilter(l.g, true, false, always)
			grad := planFilter(l.g, false, true, always)
			if p.filterForward == nil || p.filterBackward == nil || grad == nil {
				t.Fatalf("%+v cannot be filtered", l.g)
			}
			results := l.run(be, func(dw, dy, x tensor.T) { be.gradFilter(grad, floats(dw), dy, x) })
			for i, got := range results {
				if off := relative(got, want[i]); !(off <= c.bound) {
					t.Errorf("%+v: %s is off by %.2g of the largest number, bound %.2g",
						l.g, [...]string{"forward", "backward", "gradient"}[i], off, c.bound)
				}
			}
		})
	}
}

// filterLayer is a layer with its arguments, normal numbers.
type filterLayer struct {
	g                   backend.Conv
	n                   int
	x, dy, w, dw, image tensor.Buffer
}

func newFilterLayer(g backend.Conv, n int) *filterLayer {
	rng := rand.New(rand.NewPCG(11, 12))
	random := func(size int) tensor.Buffer {
		b := tensor.Float32.Make(size)
		for i := range b.F32 {
			b.F32[i] = float32(rng.NormFloat64())
		}
		return b
	}
	pixels := g.Out * g.OH() * g.OW()
	return &filterLayer{g: g, n: n, x: random(n * g.In * g.H * g.W), dy: random(n * pixels), w: random(g.Out * g.FanIn()),
		dw: random(g.Out * g.FanIn()), image: random(pixels)}
}

// run returns the output, dx and dw, of which the time channel keeps its numbers.
func (l *filterLayer) run(be backend.Backend, grad func(dw, dy, x tensor.T)) [3][]float64 {
	g := l.g
	x, y := tensor.Of(g.In, g.H, g.W), tensor.Of(g.Out, g.OH(), g.OW())
	batch := func(shape tensor.Shape, values tensor.Buffer) tensor.T {
		b := be.Batch(l.n, shape)
		if values.F32 != nil {
			be.Upload(b, values)
		}
		return b
	}
	plain := func(shape tensor.Shape, values tensor.Buffer) tensor.T {
		p := be.Plain(shape)
		be.Upload(p, values)
		return p
	}
	weight := tensor.Of(g.Out, g.Channels(), g.Kernel, g.Kernel)
	xs, dys, dw := batch(x, l.x), batch(y, l.dy), plain(weight, l.dw)
	packed := be.Pack(g, plain(weight, l.w))
	ys, dxs := batch(y, tensor.Buffer{}), batch(x, tensor.Buffer{})
	be.ConvForward(ys, g, packed, plain(tensor.Of(g.OH(), g.OW(), g.Out), l.image), xs)
	be.ConvBackward(dxs, g, packed, dys)
	grad(dw, dys, xs)
	var results [3][]float64
	for i, r := range []tensor.T{ys, dxs, dw} {
		out := tensor.Float64.Make(r.Size())
		be.Download(out, r)
		results[i] = out.F64
	}
	return results
}

// relative is the largest error as a part of the largest number, or NaN.
func relative(got, want []float64) float64 {
	worst, largest := 0.0, 0.0
	for i, v := range want {
		largest = max(largest, math.Abs(v))
		worst = max(worst, math.Abs(got[i]-v))
	}
	return worst / largest
}

func TestLineKernelsMultiplyByTheirMatrices(t *testing.T) {
	vectorised(t, func(t *testing.T, k *kernels) {
		rng := rand.New(rand.NewPCG(13, 14))
		for i, f := range generic.lines {
			fast := k.lines[i]
			for kind, pair := range [][2]func(*lineCall){
				{fast.data, f.data}, {fast.weight, f.weight}, {fast.output, f.output}, {fast.image, f.image},
				{fast.cotangent, f.cotangent}, {fast.gradient, f.gradient},
			} {
				checkLine(t, rng, fmt.Sprintf("filter %d, kernel %d", i, kind), pair[0], pair[1], kind == 1 || kind == 5)
			}
		}
	})
}

// checkLine compares a kernel with another on two lines of three rows, to the bit but where rounded says that the matrix is.
func checkLine(t *testing.T, rng *rand.Rand, what string, fast, plain func(*lineCall), rounded bool) {
	const lines, rows, from, to = 2, 3, 32, 16
	const size = to + (rows+1)*lanes
	src, image := whole(rng, 2*maxProducts*(from+rows*lanes)), whole(rng, 2*maxProducts*rows*2)
	var results [2][]float32
	for i, kernel := range []func(*lineCall){fast, plain} {
		results[i] = make([]float32, lines*maxProducts*size)
		var sources, targets, images [lines * maxProducts]*float32
		for p := range sources {
			sources[p], targets[p], images[p] = &src[p*(from+rows*lanes)], &results[i][p*size], &image[p*rows*2]
		}
		kernel(&lineCall{src: &sources[0], dst: &targets[0], image: &images[0], from: from, to: to, lines: lines, rows: rows})
	}
	for i, want := range results[1] {
		if got := results[0][i]; got != want && !(rounded && math.Abs(float64(got-want)) <= 4e-6) {
			t.Fatalf("%s: element %d is %g, want %g", what, i, got, want)
		}
	}
}
