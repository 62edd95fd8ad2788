package optim_test

import (
	"fmt"
	"math"
	"testing"

	"odepipe/pkg/backend/ref"
	"odepipe/pkg/optim"
	"odepipe/pkg/tensor"
)

func TestClippingTheNorm(t *testing.T) {
	for _, c := range []struct {
		name, text string
		grads      [2]float64
		want       [2]float64
	}{
		{"a gradient within", "clip-norm=6", [2]float64{3, 4}, [2]float64{3, 4}},
		{"a gradient beyond", "clip-norm=2", [2]float64{3, 4}, [2]float64{3 * 2 / (5 + 1e-6), 4 * 2 / (5 + 1e-6)}},
		{"the penalty comes after", "clip-norm=2\nweight-decay=10", [2]float64{3, 4}, [2]float64{3*2/(5+1e-6) + 10, 4*2/(5+1e-6) + 10}},
		{"no limit", "", [2]float64{300, 400}, [2]float64{300, 400}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := &problem{be: ref.New()}
			grads := map[string]tensor.T{}
			for i, name := range []string{"a", "b"} {
				p.params = append(p.params, optim.Param{Name: name, Value: p.upload(tensor.Of(1), []float64{1})})
				grads[name] = p.upload(tensor.Of(1), []float64{c.grads[i]})
			}
			o := p.optimizer(t, "optimizer=sgd\nlr=1\n"+c.text)
			report, err := o.Step(0, optim.Batch{Size: 1, Grads: grads})
			if err != nil {
				t.Fatal(err)
			}
			near(t, "change", p.values(), []float64{1 - c.want[0], 1 - c.want[1]}, 1e-14)
			near(t, "norm as it came, gradient as it was", append([]float64{report.GradNorm}, download(p.be, grads["a"])...),
				[]float64{math.Hypot(c.grads[0], c.grads[1]), c.grads[0]}, 1e-15)
		})
	}
}

// The steps that an optimizer without a trust region takes tell what it must do: lr d are their lengths.
func TestTrustRegion(t *testing.T) {
	const text = "lr=0.5\nweight-decay=0.125\nschedule=multistep\nmilestones=1\ngamma=0.5\ngroup=fc.*=lr=0.25\n"
	p := newProblem(ref.New())
	o := p.optimizer(t, text)
	before := p.values()
	p.run(t, o, 0, 1)
	free := p.values()
	sum, g := 0.0, append(append(download(p.be, p.grads(0)["ode.conv.weight"]), download(p.be, p.grads(0)["fc.weight"])...), download(p.be, p.grads(0)["fc.bias"])...)
	for i, v := range free {
		lr := 0.5
		if i >= 24 {
			lr = 0.25
		}
		sum += lr * (before[i] - v) * (g[i] + 0.125*before[i]) // lr^2 <d, G>
	}
	for _, share := range []float64{0.25, 0.81, 1.5} {
		again := newProblem(ref.New())
		trusted := again.optimizer(t, text+fmt.Sprintf("kl-clip=%.17g", share*sum))
		report := again.step(t, trusted, 0, again.factors(0))
		nu := min(1, math.Sqrt(share))
		near(t, "scale", []float64{report.KLScale}, []float64{nu}, 1e-12)
		for i, v := range again.values() {
			near(t, "change", []float64{v - before[i]}, []float64{nu * (free[i] - before[i])}, 1e-12)
		}
	}
}

// Parameters that are not preconditioned go on as they would, and an optimizer at rest has nothing to shorten.
func TestTrustRegionIsOfPreconditionedLayersAlone(t *testing.T) {
	end := func(text string) []float64 {
		p := newProblem(ref.New())
		p.run(t, p.optimizer(t, "group=fc.*=sgd,lr=0.5\n"+text), 0, 1)
		return p.values()
	}
	free, trusted := end(""), end("kl-clip=1e-12")
	same(t, "fc", trusted[24:], free[24:])
	if free[0] == trusted[0] {
		t.Error("ode.conv was not held back")
	}
	p := newProblem(ref.New())
	grads := p.grads(0)
	for name, g := range grads {
		grads[name] = p.upload(g.Shape, make([]float64, g.Size()))
	}
	report, err := p.optimizer(t, "kl-clip=0.001").Step(0, optim.Batch{Size: 16, Grads: grads, Factors: p.factors(0)})
	if err != nil || report.KLScale != 1 || report.UpdateNorm != 0 {
		t.Errorf("a gradient of zero: %+v, %v", report, err)
	}
}
