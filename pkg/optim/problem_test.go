package optim_test

import (
	"math"
	"math/rand"
	"slices"
	"testing"

	"odepipe/pkg/backend"
	"odepipe/pkg/backend/cpu"
	"odepipe/pkg/backend/ref"
	"odepipe/pkg/kfac"
	"odepipe/pkg/optim"
	"odepipe/pkg/tensor"
)

// problem is a small network's parameters and layers with made-up gradients and factors.
type problem struct {
	be     backend.Backend
	params []optim.Param
	layers []optim.Layer
}

func newProblem(be backend.Backend) *problem {
	p := &problem{be: be, layers: []optim.Layer{
		{Name: "ode.conv", Weight: "ode.conv.weight"},
		{Name: "fc", Weight: "fc.weight", Bias: "fc.bias"},
	}}
	rng := rand.New(rand.NewSource(1))
	for _, e := range []struct {
		name  string
		shape tensor.Shape
	}{
		{"ode.conv.weight", tensor.Of(3, 2, 2, 2)},
		{"fc.weight", tensor.Of(4, 3)},
		{"fc.bias", tensor.Of(4)},
	} {
		p.params = append(p.params, optim.Param{Name: e.name, Value: p.upload(e.shape, normal(e.shape.Size(), rng))})
	}
	return p
}

func (p *problem) upload(shape tensor.Shape, values []float64) tensor.T {
	t := p.be.Plain(shape)
	p.be.Upload(t, tensor.Buffer{F64: values})
	return t
}

func download(be backend.Backend, t tensor.T) []float64 {
	host := tensor.Buffer{F64: make([]float64, t.Size())}
	be.Download(host, t)
	return host.F64
}

func normal(n int, rng *rand.Rand) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = rng.NormFloat64()
	}
	return out
}

// values are all parameters, one after the other.
func (p *problem) values() []float64 {
	var out []float64
	for _, e := range p.params {
		out = append(out, download(p.be, e.Value)...)
	}
	return out
}

// grads are those of a step.
func (p *problem) grads(step int64) map[string]tensor.T {
	rng := rand.New(rand.NewSource(100 + step))
	out := map[string]tensor.T{}
	for _, e := range p.params {
		out[e.Name] = p.upload(e.Value.Shape, normal(e.Value.Size(), rng))
	}
	return out
}

// loss is that of a step.
func (p *problem) loss(step int64) float64 {
	return 3 + rand.New(rand.NewSource(300+step)).NormFloat64()
}

// factors are those of a step.
func (p *problem) factors(step int64) map[string]kfac.Factors {
	rng := rand.New(rand.NewSource(200 + step))
	pair := func(k, out int) kfac.Factors {
		return kfac.Factors{A: p.upload(tensor.Of(k, k), gram(k, rng)), B: p.upload(tensor.Of(out, out), gram(out, rng))}
	}
	return map[string]kfac.Factors{"ode.conv": pair(8, 3), "fc": pair(4, 4)}
}

// diagonals are those of a step's Hessian.
func (p *problem) diagonals(step int64) map[string]tensor.T {
	rng := rand.New(rand.NewSource(400 + step))
	out := map[string]tensor.T{}
	for _, e := range p.params {
		out[e.Name] = p.upload(e.Value.Shape, normal(e.Value.Size(), rng))
	}
	return out
}

// gram is a random positive definite matrix.
func gram(n int, rng *rand.Rand) []float64 {
	x, out := normal(n*n, rng), make([]float64, n*n)
	for i := 0; i < n; i++ {
		for j := 0; j < n; j++ {
			for k := 0; k < n; k++ {
				out[i*n+j] += x[i*n+k] * x[j*n+k] / float64(n)
			}
		}
	}
	return out
}

func settings(t *testing.T, text string) optim.Settings {
	t.Helper()
	s, err := optim.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (p *problem) optimizer(t *testing.T, text string) *optim.Optimizer {
	t.Helper()
	o, err := optim.New(p.be, settings(t, text), optim.Parts{Params: p.params, Layers: p.layers}, 2)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// run does the steps [from, to).
func (p *problem) run(t *testing.T, o *optim.Optimizer, from, to int64) {
	t.Helper()
	for step := from; step < to; step++ {
		if report, err := o.Step(step, optim.Batch{Size: 16, Loss: p.loss(step), Grads: p.grads(step), Factors: p.factors(step), Diagonals: p.diagonals(step)}); err != nil || len(report.Warnings) > 0 {
			t.Fatalf("step %d: error %v, warnings %v", step, err, report.Warnings)
		}
	}
}

func near(t *testing.T, what string, got, want []float64, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s has %d elements, want %d", what, len(got), len(want))
	}
	for i := range got {
		if !(math.Abs(got[i]-want[i]) <= tolerance*(1+math.Abs(want[i]))) {
			t.Fatalf("%s[%d] = %.15g, want %.15g", what, i, got[i], want[i])
		}
	}
}

// backends are those that optimizers run on.
func backends() map[string]func() backend.Backend {
	return map[string]func() backend.Backend{
		"ref": func() backend.Backend { return ref.New() },
		"cpu": func() backend.Backend { return cpu.New(1) },
	}
}

// one is a problem of one parameter [1].
func one(value float64) *problem {
	p := &problem{be: ref.New()}
	p.params = []optim.Param{{Name: "p", Value: p.upload(tensor.Of(1), []float64{value})}}
	return p
}

// feed does a step with one gradient and returns the parameter.
func (p *problem) feed(t *testing.T, o *optim.Optimizer, step int64, grad float64) float64 {
	t.Helper()
	grads := map[string]tensor.T{"p": p.upload(tensor.Of(1), []float64{grad})}
	if _, err := o.Step(step, optim.Batch{Size: 1, Grads: grads}); err != nil {
		t.Fatal(err)
	}
	return p.values()[0]
}

// same fails unless two lists agree to the bit.
func same(t *testing.T, what string, got, want []float64) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}
