package nn_test

import (
	"testing"

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
	{"concatsquash", tensor.Of(3), []nn.Spec{{Type: "concatsquash", Name: "a", In: 3, Out: 2}}},
	{"concatsquash without bias", tensor.Of(2), []nn.Spec{{Type: "concatsquash", Name: "a", In: 2, Out: 2, NoBias: true}}},
	{"the field of a flow", tensor.Of(2), []nn.Spec{
		{Type: "concatsquash", Name: "a", In: 2, Out: 4}, {Type: "tanh"}, {Type: "concatsquash", Name: "b", In: 4, Out: 3}, {Type: "softplus"},
		{Type: "concatsquash", Name: "c", In: 3, Out: 2}}},
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
	{"a field of vectors", tensor.Of(3), []nn.Spec{
		{Type: "linear", Name: "a", In: 3, Out: 5, Time: true}, {Type: "gelu"}, {Type: "linear", Name: "b", In: 5, Out: 4, NoBias: true},
		{Type: "elu"}, {Type: "linear", Name: "c", In: 4, Out: 3, Time: true, NoBias: true}}},
	{"relus in place, and one at the input", tensor.Of(4), []nn.Spec{
		{Type: "relu"}, {Type: "linear", Name: "a", In: 4, Out: 6, Time: true}, {Type: "relu"}, {Type: "relu"},
		{Type: "linear", Name: "b", In: 6, Out: 3}, {Type: "relu"}}},
	{"an image classifier", tensor.Of(1, 5, 5), []nn.Spec{
		{Type: "conv2d", Name: "a", In: 1, Out: 2, Kernel: 3, Time: true}, {Type: "tanh"},
		{Type: "conv2d", Name: "b", In: 2, Out: 2, Kernel: 3, Padding: 1, Time: true}, {Type: "softplus"},
		{Type: "avgpool2d", Kernel: 2}, {Type: "flatten"}, {Type: "linear", Name: "c", In: 2, Out: 3}}},
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

// timesOf are times for so many samples: one for all of them, and one for each.
func timesOf(samples int) map[string][]float64 {
	return map[string][]float64{"one time": {0.7}, "a time for each sample": testkit.Normal(8, samples)}
}

func TestVJPAgainstCentralDifferences(t *testing.T) {
	for _, c := range chains {
		for name, times := range timesOf(samples) {
			t.Run(c.name+", "+name, func(t *testing.T) {
				p := newPoint(t, c.specs, c.in, times)
				weights := testkit.Normal(3, samples*p.chain.Out.Size())
				value := func(q point) float64 { y, _ := q.evaluate(nil); return dot(weights, y) }

				bound, y, x := p.bind()
				bound.AllowVJP()
				bound.Forward(y, p.t, x)
				want := p.wanted()
				bound.VJP(want, p.batch(p.chain.Out, weights))
				p.check(t, value, want)

				total := nn.Cotangents{Dt: []float64{2}}
				bound.VJP(total, p.batch(p.chain.Out, weights))
				testkit.Close(t, "dt of all samples, added", total.Dt, []float64{2 + dot(ones(len(want.Dt)), want.Dt)}, 1e-12, 1e-12)
			})
		}
	}
}

func TestTapSeesEveryAffineLayer(t *testing.T) {
	last := chains[len(chains)-1]
	p := newPoint(t, last.specs, last.in, []float64{0.5})
	bound, y, x := p.bind()
	bound.AllowVJP()
	bound.Forward(y, p.t, x)
	var names []string
	bound.VJP(nn.Cotangents{Tap: func(l *nn.Affine, z, g tensor.T, time []float64) {
		names = append(names, l.Name)
		if len(time) != 1 || time[0] != 0.5 || g.Shape != l.Output() || z.N != samples {
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
