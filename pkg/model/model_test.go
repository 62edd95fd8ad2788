package model_test

import (
	"math"
	"strings"
	"testing"

	"odepipe/pkg/model"
	"odepipe/pkg/tensor"
)

const small = `
name = "small"
input = [2]
loss = "cross_entropy"

[[block]]
type = "linear"
name = "lift"
in = 2
out = 4

[[block]]
type = "ode"
name = "ode"
solver = { rtol = 1e-4 }
adjoint = { atol = 1e-5, norm = "seminorm" }
field = [
  { type = "linear", in = 4, out = 4, time = "concat" },
  { type = "tanh" },
  { type = "linear", name = "out", in = 4, out = 4, bias = false },
]

[[block]]
type = "linear"
name = "head"
in = 4
out = 3
`

func network(t *testing.T, text string) *model.Network {
	t.Helper()
	spec, err := model.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	n, err := model.NewNetwork(spec)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestNetworkOfAModelFile(t *testing.T) {
	n := network(t, small)
	var names []string
	for _, p := range n.Params {
		names = append(names, p.Name+p.Shape.String()+p.Layer)
	}
	want := "lift.weight[4, 2]lift lift.bias[4]lift ode.0.weight[4, 5]ode.0 ode.0.bias[4]ode.0 ode.out.weight[4, 4]ode.out head.weight[3, 4]head head.bias[3]head"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	o := n.ODEs()[0]
	if o.T0 != 0 || o.T1 != 1 || o.Solver.Method != "dopri5" || o.Solver.RTol != 1e-4 || o.Solver.ATol != model.DefaultTolerance {
		t.Errorf("solver %+v", o)
	}
	if o.Adjoint.Solver.RTol != 1e-4 || o.Adjoint.Solver.ATol != 1e-5 || !o.Adjoint.SemiNorm {
		t.Errorf("the adjoint is %+v, it should start from the solver", o.Adjoint)
	}
	if n.Output != tensor.Of(3) || len(n.Segments) != 3 || n.Spec.DType != tensor.Float32 {
		t.Errorf("output %v, %d segments, %s", n.Output, len(n.Segments), n.Spec.DType)
	}
}

func TestMistakesInModelFiles(t *testing.T) {
	cases := []struct{ name, from, to, want string }{
		{"no TOML at all", "[2]", "[2", "model file: line 4, column 1: toml: expected"},
		{"an unknown method", "solver = {", "solver = { method = \"rk5\",", `model file: block 2: solver: method = "rk5" is not one of "dopri5", "tsit5", `},
		{"an unknown controller", "solver = {", "solver = { controller = \"p\",", `controller = "p" is not one of "i", "pi", "pid"`},
		{"an unknown gradient", "adjoint = {", "adjoint = { method = \"symplectic\",", `block 2: adjoint: method = "symplectic" is not one of "backsolve", "interpolated", "checkpointed"`},
		{"memory where nothing is kept", "adjoint = {", "adjoint = { memory = 3,", `block 2: adjoint: unknown key "memory"`},
		{"steps that cannot be differentiated", "solver = { rtol = 1e-4 }\nadjoint = {", "solver = { method = \"implicit_adams\" }\nadjoint = { method = \"checkpointed\",",
			`block 2: adjoint: method = "checkpointed" cannot differentiate the steps of implicit_adams`},
		{"a dense output of samples apart", "solver = { rtol = 1e-4 }\nadjoint = {", "solver = { control = \"sample\" }\nadjoint = { method = \"interpolated\",",
			`block 2: adjoint: method = "interpolated" needs steps that all samples have in common`},
		{"a negative cost", "solver = {", "kinetic = -1\nsolver = {", `block 2: kinetic must be at least 0, not -1`},
		{"an unknown key", "input = [2]", "input = [2]\ndtyp = \"float32\"", `model file: unknown key "dtyp" (did you mean "dtype"?)`},
		{"an unknown key of a layer", "in = 2\n", "in = 2\nbais = true\n", `model file: block 1: unknown key "bais" (did you mean "bias"?)`},
		{"a key that another type of layer has", "in = 2\n", "in = 2\nkernel = 3\n", `model file: block 1: unknown key "kernel" (did you mean "type"?)`},
		{"an unknown key in a field", `bias = false`, `bias = false, strid = 2`, `model file: block 2: field 3: unknown key "strid"`},
		{"an unknown key of a solver", "rtol = 1e-4", "rtoll = 1e-4", `model file: block 2: solver: unknown key "rtoll" (did you mean "rtol"?)`},
		{"a missing key", "in = 2\n", "", `model file: block 1: key "in" is missing`},
		{"an unknown type", `type = "tanh"`, `type = "tanhh"`, `model file: block 2: field 2: type = "tanhh" is not one of "linear"`},
		{"an unknown method", "rtol = 1e-4", `method = "dopri6"`, `model file: block 2: solver: method = "dopri6" is not one of`},
		{"an unknown loss", `"cross_entropy"`, `"crossentropy"`, `loss = "crossentropy" is not one of "cross_entropy", "mse"`},
		{"a text for a number", "out = 3", `out = "3"`, `model file: block 3: out must be an integer from 1, not 3`},
		{"a negative tolerance", "rtol = 1e-4", "rtol = -1", `model file: block 2: solver: rtol must be above 0, not -1`},
		{"an infinite time", "solver", "t1 = inf\nsolver", `model file: block 2: t1 must be a finite number, not +Inf`},
		{"an empty interval", "solver", "t1 = 0\nsolver", `model file: block 2: t0 and t1 are both 0`},
		{"a strange input", "input = [2]", "input = [2, 3, 4, 5]", `model file: input must be [features], [channels, height, width] or [points, channels], not [2 3 4 5]`},
		{"two blocks of one name", `name = "head"`, `name = "lift"`, `model file: block 3: the name "lift" is taken by an earlier block`},
		{"a field that changes the shape", `bias = false`, `bias = false, time = "none" },{ type = "linear", name = "x", in = 4, out = 5`, `model file: block "ode": the field maps [4] to [5], an ODE needs the same shape`},
		{"layers that do not fit", "in = 4\nout = 3", "in = 5\nout = 3", `model file: layer 1: linear "head": got input [4], expected [5]: nn: shapes do not fit`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(small, c.from, c.to, 1)
			if text == small {
				t.Fatal("the case changes nothing")
			}
			spec, err := model.Parse(text)
			if err == nil {
				_, err = model.NewNetwork(spec)
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestPresetsBuild(t *testing.T) {
	want := map[string]int{"mnist": 207306, "svhn": 208458, "cifar10": 208458, "spoad": 9002, "artwr": 32537, "chart": 8372,
		"circle": 4872, "gas": 278560, "miniboone": 820612} // parameters, as the paper's code has them
	for _, p := range model.Presets {
		n := network(t, p.Text())
		count := 0
		for _, param := range n.Params {
			count += param.Shape.Size()
		}
		if count != want[p.Name] || n.Spec.Name != p.Name {
			t.Errorf("%s (%s) has %d parameters, want %d", p.Name, n.Spec.Name, count, want[p.Name])
		}
	}
}

func TestInitIsUniformAndSeeded(t *testing.T) {
	n := network(t, model.Presets[0].Text())
	for i, p := range n.Params {
		a, b, c := n.Init(i, 7), n.Init(i, 7), n.Init(i, 8)
		bound := p.Bound
		squares, same := 0.0, true
		for j := range a.Len() {
			v := a.At(j)
			if v != b.At(j) || !(math.Abs(v) <= bound) {
				t.Fatalf("%s[%d] = %g, again %g, bound %g", p.Name, j, v, b.At(j), bound)
			}
			same = same && v == c.At(j)
			squares += v * v
		}
		// the variance of U(-b, b) is b^2/3; five standard errors
		if n := float64(a.Len()); same || !(math.Abs(squares/n/(bound*bound)-1./3) < 5*math.Sqrt(4./45/n)) {
			t.Errorf("%s: variance %g of bound^2, another seed the same: %v", p.Name, squares/n/(bound*bound), same)
		}
	}
}

func TestLoadNamesPresets(t *testing.T) {
	if _, err := model.Load("mnisst"); err == nil || !strings.Contains(err.Error(), `no such preset: "mnisst"; there are mnist, svhn, cifar10,`) {
		t.Errorf("got %v", err)
	}
}

func TestInitialValuesArePyTorchsTimesTheGain(t *testing.T) {
	const text = `
name = "m"
input = [4]
loss = "mse"
[[block]]
type = "ode"
name = "ode"
field = [
  { type = "linear", name = "a", in = 4, out = 9, time = "concat" },
  { type = "concatsquash", name = "b", in = 9, out = 4, gain = 0.5 },
]
[[block]]
type = "linear"
name = "c"
in = 4
out = 2
gain = 0.0
`
	want := map[string]float64{
		"ode.a.weight": 1 / math.Sqrt(5), "ode.a.bias": 1 / math.Sqrt(5),
		"ode.b.weight": 0.5 / 3, "ode.b.bias": 0.5 / 3, "ode.b.gate.weight": 0.5, "ode.b.gate.bias": 0.5, "ode.b.shift.weight": 0.5,
		"c.weight": 0, "c.bias": 0,
	}
	n := network(t, text)
	for i, p := range n.Params {
		bound, ok := want[p.Name]
		if !ok || !(math.Abs(p.Bound-bound) < 1e-15) {
			t.Errorf("%s: bound %g, want %g", p.Name, p.Bound, bound)
		}
		for j, v := 0, n.Init(i, 1); j < v.Len(); j++ {
			if !(math.Abs(v.At(j)) <= float64(float32(bound))) {
				t.Errorf("%s[%d] = %g", p.Name, j, v.At(j))
			}
		}
	}
	if len(n.Params) != len(want) {
		t.Errorf("%d parameters, want %d", len(n.Params), len(want))
	}
}
