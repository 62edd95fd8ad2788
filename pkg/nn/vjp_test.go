package nn_test

import (
	"testing"

	"odepipe/pkg/backend"
	"odepipe/pkg/backend/ref"
	"odepipe/pkg/nn"
	"odepipe/pkg/tensor"
	"odepipe/pkg/testkit"
)

// chains under test: every type of layer of the table, alone and between others.
var chains = []struct {
	name  string
	in    tensor.Shape
	specs []nn.Spec
}{
	{"linear", tensor.Of(3), []nn.Spec{{Type: "linear", Name: "a", In: 3, Out: 2}}},
	{"linear without bias", tensor.Of(3), []nn.Spec{{Type: "linear", Name: "a", In: 3, Out: 2, NoBias: true}}},
	{"linear with time", tensor.Of(3), []nn.Spec{{Type: "linear", Name: "a", In: 3, Out: 2, Time: true}}},
	{"linear with time, no bias", tensor.Of(3), []nn.Spec{{Type: "linear", Name: "a", In: 3, Out: 2, Time: true, NoBias: true}}},
	{"conv2d with stride", tensor.Of(2, 5, 6), []nn.Spec{{Type: "conv2d", Name: "a", In: 2, Out: 3, Kernel: 3, Stride: 2, Padding: 1}}},
	{"conv2d with time", tensor.Of(2, 4, 3), []nn.Spec{{Type: "conv2d", Name: "a", In: 2, Out: 2, Kernel: 3, Padding: 1, Time: true}}},
	{"conv2d without bias", tensor.Of(1, 4, 4), []nn.Spec{{Type: "conv2d", Name: "a", In: 1, Out: 2, Kernel: 2, NoBias: true}}},
	{"relu", tensor.Of(5), []nn.Spec{{Type: "relu"}}},
	{"tanh", tensor.Of(5), []nn.Spec{{Type: "tanh"}}},
	{"softplus", tensor.Of(5), []nn.Spec{{Type: "softplus"}}},
	{"sigmoid", tensor.Of(5), []nn.Spec{{Type: "sigmoid"}}},
	{"gelu", tensor.Of(5), []nn.Spec{{Type: "gelu"}}},
	{"silu", tensor.Of(5), []nn.Spec{{Type: "silu"}}},
	{"elu", tensor.Of(5), []nn.Spec{{Type: "elu"}}},
	{"avgpool2d with a rest", tensor.Of(2, 5, 4), []nn.Spec{{Type: "avgpool2d", Kernel: 2}}},
	{"flatten", tensor.Of(2, 2, 3), []nn.Spec{{Type: "flatten"}}},
	{"no layer at all", tensor.Of(4), nil},
	{"an image classifier", tensor.Of(1, 6, 6), []nn.Spec{
		{Type: "conv2d", Name: "a", In: 1, Out: 2, Kernel: 3, Time: true}, {Type: "tanh"},
		{Type: "conv2d", Name: "b", In: 2, Out: 2, Kernel: 3, Padding: 1, Time: true}, {Type: "softplus"},
		{Type: "avgpool2d", Kernel: 2}, {Type: "flatten"}, {Type: "linear", Name: "c", In: 8, Out: 3}}},
}

func TestEveryKindIsUnderTest(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range chains {
		for _, s := range c.specs {
			seen[s.Type] = true
		}
	}
	for _, k := range nn.Kinds {
		if !seen[k.Name] {
			t.Errorf("no chain has a layer of type %s", k.Name)
		}
	}
}

// evaluate is <c, f(t, x; params)> summed over the samples, and, if want asks, its derivatives.
type evaluation struct {
	be      backend.Backend
	chain   *nn.Chain
	samples int
}

func (e evaluation) bind(x, params []float64) (*nn.Bound, tensor.T, tensor.T) {
	batch := e.be.Batch(e.samples, e.chain.In)
	e.be.Upload(batch, tensor.Buffer{F64: x})
	var values []tensor.T
	for _, p := range e.chain.Params() {
		v := e.be.Plain(p.Shape)
		e.be.Upload(v, tensor.Buffer{F64: params[:p.Shape.Size()]})
		params = params[p.Shape.Size():]
		values = append(values, v)
	}
	return e.chain.Bind(e.be, e.samples, values), e.be.Batch(e.samples, e.chain.Out), batch
}

func (e evaluation) value(t float64, x, params, c []float64) float64 {
	mark := e.be.Mark()
	defer e.be.Release(mark)
	bound, y, batch := e.bind(x, params)
	bound.Forward(y, []float64{t}, batch)
	out := make([]float64, y.Size())
	e.be.Download(tensor.Buffer{F64: out}, y)
	sum := 0.0
	for i := range out {
		sum += c[i] * out[i]
	}
	return sum
}

func (e evaluation) vjp(t float64, x, params, c []float64) (dx, dparams []float64, dt float64) {
	bound, y, batch := e.bind(x, params)
	bound.AllowVJP()
	bound.Forward(y, []float64{t}, batch)
	dy := e.be.Batch(e.samples, e.chain.Out)
	e.be.Upload(dy, tensor.Buffer{F64: c})
	want := nn.Cotangents{Dx: e.be.Batch(e.samples, e.chain.In), Dt: make([]float64, 1)}
	for _, p := range e.chain.Params() {
		want.Params = append(want.Params, e.be.Plain(p.Shape))
	}
	bound.VJP(want, dy)
	dx = make([]float64, batch.Size())
	e.be.Download(tensor.Buffer{F64: dx}, want.Dx)
	for _, p := range want.Params {
		d := make([]float64, p.Size())
		e.be.Download(tensor.Buffer{F64: d}, p)
		dparams = append(dparams, d...)
	}
	return dx, dparams, want.Dt[0]
}

func TestVJPAgainstCentralDifferences(t *testing.T) {
	const samples, time = 3, 0.7
	for _, c := range chains {
		t.Run(c.name, func(t *testing.T) {
			chain, err := nn.NewChain(c.specs, c.in)
			if err != nil {
				t.Fatal(err)
			}
			e := evaluation{ref.New(), chain, samples}
			count := 0
			for _, p := range chain.Params() {
				count += p.Shape.Size()
			}
			x, params, weights := testkit.Normal(1, samples*c.in.Size()), testkit.Normal(2, count), testkit.Normal(3, samples*chain.Out.Size())
			dx, dparams, dt := e.vjp(time, x, params, weights)
			testkit.Close(t, "dx", dx, testkit.Gradient(func(x []float64) float64 { return e.value(time, x, params, weights) }, x), 1e-8, 1e-6)
			testkit.Close(t, "dparams", dparams, testkit.Gradient(func(p []float64) float64 { return e.value(time, x, p, weights) }, params), 1e-8, 1e-6)
			testkit.Close(t, "dt", []float64{dt}, testkit.Gradient(func(s []float64) float64 { return e.value(s[0], x, params, weights) }, []float64{time}), 1e-8, 1e-6)
		})
	}
}

func TestTapSeesEveryAffineLayer(t *testing.T) {
	chain, err := nn.NewChain(chains[len(chains)-1].specs, chains[len(chains)-1].in)
	if err != nil {
		t.Fatal(err)
	}
	e := evaluation{ref.New(), chain, 2}
	params := make([]float64, 0)
	for i, p := range chain.Params() {
		params = append(params, testkit.Normal(uint64(i), p.Shape.Size())...)
	}
	bound, y, x := e.bind(testkit.Normal(9, 72), params)
	bound.AllowVJP()
	bound.Forward(y, []float64{0.5}, x)
	var names []string
	bound.VJP(nn.Cotangents{Tap: func(l *nn.Affine, z, g tensor.T, time []float64) {
		names = append(names, l.Name)
		if len(time) != 1 || time[0] != 0.5 || g.Shape != l.Output() || z.N != 2 {
			t.Errorf("%s: tap got time %v, g %v, %d samples", l.Name, time, g.Shape, z.N)
		}
	}}, y)
	if len(names) != 3 || names[0] != "c" || names[1] != "b" || names[2] != "a" {
		t.Errorf("tap saw %v, want c, b, a", names)
	}
}

func TestShapeErrorsNameTheLayer(t *testing.T) {
	cases := []struct {
		name  string
		in    tensor.Shape
		specs []nn.Spec
		want  string
	}{
		{"linear on a wrong width", tensor.Of(3), []nn.Spec{{Type: "linear", Name: "fc", In: 4, Out: 2}},
			`layer 1: linear "fc": got input [3], expected [4]: nn: shapes do not fit`},
		{"linear on an image", tensor.Of(4, 1, 1), []nn.Spec{{Type: "relu"}, {Type: "linear", Name: "fc", In: 4, Out: 2}},
			`layer 2: linear "fc": got input [4, 1, 1], expected [4]: nn: shapes do not fit`},
		{"conv2d on wrong channels", tensor.Of(3, 8, 8), []nn.Spec{{Type: "conv2d", Name: "c", In: 1, Out: 2, Kernel: 3}},
			`layer 1: conv2d "c": got input [3, 8, 8], expected [1, height, width]: nn: shapes do not fit`},
		{"a window larger than its image", tensor.Of(1, 4, 4), []nn.Spec{{Type: "conv2d", Name: "c", In: 1, Out: 2, Kernel: 5}},
			`layer 1: conv2d "c": a 5 x 5 window with padding 0 does not fit into [1, 4, 4]: nn: shapes do not fit`},
		{"pooling a vector", tensor.Of(4), []nn.Spec{{Type: "avgpool2d", Kernel: 2}},
			`layer 1: avgpool2d "": got input [4], expected an image of at least 2 x 2: nn: shapes do not fit`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := nn.NewChain(c.specs, c.in)
			if err == nil || err.Error() != c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}
