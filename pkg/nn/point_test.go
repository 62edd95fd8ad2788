package nn_test

import (
	"testing"

	"odepipe/pkg/backend"
	"odepipe/pkg/backend/ref"
	"odepipe/pkg/nn"
	"odepipe/pkg/tensor"
	"odepipe/pkg/testkit"
)

const samples = 3

// point is a chain with random arguments on the reference backend, all numbers in row-major order.
type point struct {
	be           backend.Backend
	chain        *nn.Chain
	t, x, params []float64
	// The tangent of the arguments, if a test has one.
	tdot            float64
	xdot, paramsDot []float64
}

func newPoint(t *testing.T, specs []nn.Spec, in tensor.Shape, times []float64) point {
	t.Helper()
	chain, err := nn.NewChain(specs, in)
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, p := range chain.Params() {
		count += p.Shape.Size()
	}
	return point{be: ref.New(), chain: chain, t: times, x: testkit.Normal(1, samples*in.Size()), params: testkit.Normal(2, count)}
}

func (p point) batch(shape tensor.Shape, v []float64) tensor.T {
	b := p.be.Batch(len(v)/shape.Size(), shape)
	p.be.Upload(b, tensor.Buffer{F64: v})
	return b
}

func (p point) numbers(x tensor.T) []float64 {
	v := make([]float64, x.Size())
	p.be.Download(tensor.Buffer{F64: v}, x)
	return v
}

// list joins the numbers of some tensors.
func (p point) list(tensors []tensor.T) []float64 {
	var v []float64
	for _, x := range tensors {
		v = append(v, p.numbers(x)...)
	}
	return v
}

// plains cuts numbers into tensors of the parameters' shapes.
func (p point) plains(v []float64) []tensor.T {
	var list []tensor.T
	for _, param := range p.chain.Params() {
		w := p.be.Plain(param.Shape)
		p.be.Upload(w, tensor.Buffer{F64: v[:w.Size()]})
		v = v[w.Size():]
		list = append(list, w)
	}
	return list
}

// bind is the chain at the parameters with room for y, and x.
func (p point) bind() (bound *nn.Bound, y, x tensor.T) {
	x = p.batch(p.chain.In, p.x)
	return p.chain.Bind(p.be, x.N, p.plains(p.params)), p.be.Batch(x.N, p.chain.Out), x
}

// direction is the tangent of the arguments; absent parts stay zero values.
func (p point) direction() nn.Direction {
	d := nn.Direction{Dt: p.tdot}
	if p.xdot != nil {
		d.Dx = p.batch(p.chain.In, p.xdot)
	}
	if p.paramsDot != nil {
		d.Params = p.plains(p.paramsDot)
	}
	return d
}

// evaluate is y, and ydot along a direction unless that is nil.
func (p point) evaluate(along *nn.Direction) (y, ydot []float64) {
	mark := p.be.Mark()
	defer p.be.Release(mark)
	bound, out, x := p.bind()
	bound.AllowJVP()
	bound.Forward(out, p.t, x)
	y = p.numbers(out)
	if along != nil {
		bound.JVP(out, *along)
		ydot = p.numbers(out)
	}
	return y, ydot
}

// wanted has room for the cotangents of all arguments.
func (p point) wanted() nn.Cotangents {
	return nn.Cotangents{Dx: p.batch(p.chain.In, p.x), Params: p.plains(p.params), Dt: make([]float64, len(p.t))}
}

// check compares cotangents with central differences of the value.
func (p point) check(t *testing.T, value func(point) float64, got nn.Cotangents) {
	t.Helper()
	close := func(what string, got []float64, argument *[]float64) {
		t.Helper()
		at := *argument
		want := testkit.Gradient(func(v []float64) float64 { *argument = v; return value(p) }, append([]float64(nil), at...))
		*argument = at
		testkit.Close(t, what, got, want, 1e-7, 1e-6)
	}
	close("dx", p.numbers(got.Dx), &p.x)
	close("dparams", p.list(got.Params), &p.params)
	close("dt", got.Dt, &p.t)
}

func dot(a, b []float64) float64 {
	sum := 0.0
	for i, v := range a {
		sum += v * b[i]
	}
	return sum
}

func ones(n int) []float64 {
	v := make([]float64, n)
	for i := range v {
		v[i] = 1
	}
	return v
}
