package nn_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"odepipe/pkg/backend"
	"odepipe/pkg/backend/cpu"
	"odepipe/pkg/backend/ref"
	"odepipe/pkg/nn"
	"odepipe/pkg/tensor"
	"odepipe/pkg/testkit"
)

// gru is a cell with arguments, all numbers in row-major order.
type gru struct {
	be     backend.Backend
	cell   *nn.GRUCell
	n      int
	x, h   []float64
	params []float64
}

// pulled is what a cell computes: h', the cotangents, and the sum over the samples of what the Tap got for each map.
type pulled struct {
	hnext, dh, dx, params []float64
	bias                  map[string][]float64
}

func (g gru) upload(x tensor.T, v []float64) tensor.T {
	g.be.Upload(x, tensor.Buffer{F64: v})
	return x
}

func (g gru) numbers(x tensor.T) []float64 { return point{be: g.be}.numbers(x) }

// plains cuts numbers into tensors of the parameters' shapes.
func (g gru) plains(v []float64) []tensor.T {
	var list []tensor.T
	for _, p := range g.cell.Params() {
		w := g.be.Plain(p.Shape)
		list = append(list, g.upload(w, v[:w.Size()]))
		v = v[w.Size():]
	}
	return list
}

// run computes all there is, the parameters' cotangents added to the given start.
func (g gru) run(dhnext, start []float64) pulled {
	x, h := tensor.Of(len(g.x)/g.n), tensor.Of(len(g.h)/g.n)
	bound := g.cell.Bind(g.be, g.n, g.plains(g.params))
	hnext := g.be.Batch(g.n, h)
	bound.Forward(hnext, g.upload(g.be.Batch(g.n, x), g.x), g.upload(g.be.Batch(g.n, h), g.h))
	got := pulled{hnext: g.numbers(hnext), bias: map[string][]float64{}}
	dh := g.upload(g.be.Batch(g.n, h), dhnext)
	want := nn.GRUCotangents{Dh: dh, Dx: g.be.Batch(g.n, x), Params: g.plains(start),
		Tap: func(l *nn.Affine, z, g2 tensor.T, _ []float64) {
			if z.Shape != tensor.Of(l.Geometry.In) {
				panic("the input is not the map's")
			}
			sum := make([]float64, l.Geometry.Out)
			for i, v := range g.numbers(g2) {
				sum[i%len(sum)] += v
			}
			got.bias[l.Name] = sum
		}}
	bound.VJP(want, dh) // in place
	got.dh, got.dx, got.params = g.numbers(dh), g.numbers(want.Dx), point{be: g.be}.list(want.Params)
	return got
}

// newGRU has random arguments: 3 observations, 4 hidden values.
func newGRU(be backend.Backend, n int) gru {
	g := gru{be: be, cell: nn.NewGRUCell("rnn", 3, 4), n: n, x: testkit.Normal(1, n*3), h: testkit.Normal(2, n*4)}
	count := 0
	for _, p := range g.cell.Params() {
		count += p.Shape.Size()
	}
	g.params = testkit.Normal(3, count)
	return g
}

// r = 1/2, z = 3/4 and n = tanh(log 2) = 3/5, so that h' = 3/5 / 4 + 2 3/4.
func TestGRUCellWorkedByHand(t *testing.T) {
	g := gru{be: ref.New(), cell: nn.NewGRUCell("rnn", 1, 1), n: 1, x: []float64{1}, h: []float64{2},
		params: []float64{0, 0, 0, 0, 0, math.Log(3), -1, math.Ln2, 1, 0}}
	got := g.run([]float64{1}, make([]float64, 10))
	testkit.Close(t, "h'", got.hnext, []float64{1.65}, 1e-15, 0)
	testkit.Close(t, "dh", got.dh, []float64{0.75 + 0.08}, 1e-15, 0)
	testkit.Close(t, "dx", got.dx, []float64{-0.16}, 1e-15, 0)
	testkit.Close(t, "dparams", got.params, []float64{0.08, 0.16, 0.08, 0.2625, 0.525, 0.2625, 0.16, 0.16, 0.16, 0.08}, 1e-15, 0)
}

func TestGRUCellAgainstCentralDifferences(t *testing.T) {
	g := newGRU(ref.New(), 3)
	dhnext := testkit.Normal(4, len(g.h))
	got := g.run(dhnext, make([]float64, len(g.params)))
	compare := func(what string, got []float64, argument *[]float64) {
		at := *argument
		value := func(v []float64) float64 {
			*argument = v
			return dot(dhnext, g.run(dhnext, make([]float64, len(g.params))).hnext)
		}
		want := testkit.Gradient(value, slices.Clone(at))
		*argument = at
		testkit.Close(t, what, got, want, 1e-8, 1e-7)
	}
	compare("dh", got.dh, &g.h)
	compare("dx", got.dx, &g.x)
	compare("dparams", got.params, &g.params)

	more := g.run(dhnext, testkit.Normal(5, len(g.params)))
	for i, v := range testkit.Normal(5, len(g.params)) {
		more.params[i] -= v
	}
	testkit.Close(t, "what is added to parameters' cotangents", more.params, got.params, 1e-14, 1e-14)

	at := 0
	for _, p := range g.cell.Params() {
		at += p.Shape.Size()
		if name, ok := strings.CutSuffix(p.Name, ".bias"); ok {
			testkit.Close(t, "tap of "+name, got.bias[name], got.params[at-p.Shape.Size():at], 1e-15, 1e-15)
		}
	}
	for i, l := range g.cell.Affine() {
		if want := "rnn." + []string{"i2r", "i2z", "x2n", "h2n"}[i]; l.Name != want {
			t.Errorf("map %d is called %s, want %s", i, l.Name, want)
		}
	}
}

func TestGRUCellInSinglePrecision(t *testing.T) {
	for _, n := range []int{1, 35} {
		exact := newGRU(ref.New(), n)
		fast := exact
		single := cpu.New(2)
		defer single.Close()
		fast.be = single
		dhnext := testkit.Normal(4, len(exact.h))
		start := make([]float64, len(exact.params))
		got, want := fast.run(dhnext, start), exact.run(dhnext, start)
		testkit.Close(t, "h'", got.hnext, want.hnext, 1e-6, 1e-6)
		testkit.Close(t, "dh", got.dh, want.dh, 1e-5, 1e-5)
		testkit.Close(t, "dx", got.dx, want.dx, 1e-5, 1e-5)
		testkit.Close(t, "dparams", got.params, want.params, 1e-5, 1e-5)
	}
}

func TestGRUCellSkipsWhatIsNotWanted(t *testing.T) {
	g := newGRU(ref.New(), 2)
	dhnext := testkit.Normal(4, len(g.h))
	want := g.run(dhnext, make([]float64, len(g.params)))
	bound := g.cell.Bind(g.be, g.n, g.plains(g.params))
	h := tensor.Of(4)
	bound.Forward(g.be.Batch(g.n, h), g.upload(g.be.Batch(g.n, tensor.Of(3)), g.x), g.upload(g.be.Batch(g.n, h), g.h))
	cotangent := g.upload(g.be.Batch(g.n, h), dhnext)
	only := nn.GRUCotangents{Dh: g.be.Batch(g.n, h)}
	bound.VJP(only, cotangent)
	testkit.Close(t, "dh alone", g.numbers(only.Dh), want.dh, 1e-15, 1e-15)
	only = nn.GRUCotangents{Dx: g.be.Batch(g.n, tensor.Of(3))}
	bound.VJP(only, cotangent)
	testkit.Close(t, "dx alone", g.numbers(only.Dx), want.dx, 1e-15, 1e-15)
	only = nn.GRUCotangents{Params: g.plains(make([]float64, len(g.params)))}
	bound.VJP(only, cotangent)
	testkit.Close(t, "dparams alone", point{be: g.be}.list(only.Params), want.params, 1e-15, 1e-15)
}

func TestGRUCellDoesNotAllocate(t *testing.T) {
	be := cpu.New(2)
	defer be.Close()
	g := newGRU(be, 100)
	bound := g.cell.Bind(be, g.n, g.plains(g.params))
	x, h := g.upload(be.Batch(g.n, tensor.Of(3)), g.x), g.upload(be.Batch(g.n, tensor.Of(4)), g.h)
	hnext, dh := be.Batch(g.n, tensor.Of(4)), be.Batch(g.n, tensor.Of(4))
	want := nn.GRUCotangents{Dh: dh, Params: g.plains(g.params)}
	if count := testing.AllocsPerRun(10, func() {
		bound.Forward(hnext, x, h)
		bound.VJP(want, hnext)
	}); count != 0 {
		t.Errorf("%g allocations", count)
	}
}
