package optim_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"odepipe/pkg/backend"
	"odepipe/pkg/backend/cpu"
	"odepipe/pkg/backend/ref"
	"odepipe/pkg/optim"
	"odepipe/pkg/tensor"
)

func TestNewtonFollowsItsFormula(t *testing.T) {
	const lr, momentum, gamma, eps, rho, freq = 0.1, 0.5, 0.2, 0.05, 0.75, 2
	for name, be := range map[string]backend.Backend{"ref": ref.New(), "cpu": cpu.New(1)} {
		tolerance := map[string]float64{"ref": 1e-14, "cpu": 1e-6}[name]
		p := newProblem(be)
		o := p.optimizer(t, "optimizer=newton\nlr=0.1\nmomentum=0.5\nweight-decay=0.2\neps=0.05\nhessian-decay=0.75\nfreq=2")
		theta := p.values()
		d, buffer := make([]float64, len(theta)), make([]float64, len(theta))
		for step := int64(0); step < 6; step++ {
			if o.Wants(step) != (step%freq == 0) {
				t.Errorf("step %d: wants diagonals is %v", step, o.Wants(step))
			}
			g, fresh := p.flat(p.grads(step)), p.flat(p.diagonals(step))
			for i := range theta {
				switch {
				case step == 0:
					d[i] = fresh[i]
				case step%freq == 0:
					d[i] = rho*d[i] + (1-rho)*fresh[i]
				}
				buffer[i] = momentum*buffer[i] + (g[i]+gamma*theta[i])/(math.Abs(d[i])+eps+gamma)
				theta[i] -= lr * buffer[i]
			}
			p.run(t, o, step, step+1)
			near(t, fmt.Sprintf("%s, step %d", name, step), p.values(), theta, tolerance)
		}
	}
}

// flat are tensors of the parameters, one after the other.
func (p *problem) flat(tensors map[string]tensor.T) []float64 {
	var out []float64
	for _, e := range p.params {
		out = append(out, download(p.be, tensors[e.Name])...)
	}
	return out
}

// On a quadratic with a diagonal Hessian, of either sign, a full step without damping is |lambda|^-1 of the gradient:
// the minimum where lambda > 0, and twice as far out where it is a maximum.
func TestNewtonOnADiagonalQuadratic(t *testing.T) {
	p := &problem{be: ref.New()}
	lambda := []float64{1e-3, 4, 700, -2}
	p.params = []optim.Param{{Name: "x", Value: p.upload(tensor.Of(4), []float64{1, -2, 3, 5})}}
	o := p.optimizer(t, "optimizer=newton\nlr=1\neps=1e-12")
	g := make([]float64, 4)
	for i, x := range p.values() {
		g[i] = lambda[i] * x
	}
	_, err := o.Step(0, optim.Batch{Size: 1, Grads: map[string]tensor.T{"x": p.upload(tensor.Of(4), g)}, Diagonals: map[string]tensor.T{"x": p.upload(tensor.Of(4), lambda)}})
	if err != nil {
		t.Fatal(err)
	}
	near(t, "x", p.values(), []float64{0, 0, 0, 10}, 1e-8)
}

func TestDiagonalsThatAreOfNoUse(t *testing.T) {
	p := newProblem(ref.New())
	with := func(step int64, change func(map[string]tensor.T)) optim.Batch {
		b := optim.Batch{Size: 16, Grads: p.grads(step), Diagonals: p.diagonals(step)}
		change(b.Diagonals)
		return b
	}
	for name, c := range map[string]struct {
		change func(map[string]tensor.T)
		want   error
	}{
		"missing":         {func(d map[string]tensor.T) { delete(d, "fc.bias") }, optim.ErrMismatch},
		"another's shape": {func(d map[string]tensor.T) { d["fc.bias"] = d["fc.weight"] }, optim.ErrMismatch},
		"not a number": {func(d map[string]tensor.T) {
			d["fc.bias"] = p.upload(tensor.Of(4), []float64{1, math.NaN(), 1, 1})
		}, optim.ErrNonFinite},
	} {
		o, before := p.optimizer(t, "optimizer=newton"), p.values()
		if _, err := o.Step(0, with(0, c.change)); !errors.Is(err, c.want) || !strings.Contains(err.Error(), "fc.bias") {
			t.Errorf("%s: error %v", name, err)
		}
		same(t, name+": parameters", p.values(), before)
		if !o.Wants(0) {
			t.Errorf("%s: the diagonal is still needed", name)
		}
		p.run(t, o, 0, 1)
		report, err := o.Step(1, with(1, c.change))
		if err != nil || report.Refreshed != 2 || len(report.Warnings) != 1 || !strings.Contains(report.Warnings[0], "fc.bias keeps its curvature") {
			t.Errorf("%s, later: %+v, %v", name, report, err)
		}
	}
}

func TestCurvatureThatOptimizersLookAt(t *testing.T) {
	for text, want := range map[string]struct {
		factors bool
		probes  int64
	}{
		"":                               {true, 0},
		"optimizer=sgd":                  {false, 0},
		"optimizer=newton":               {false, 1},
		"optimizer=newton\nvectors=7":    {false, 7},
		"group=fc.*=newton\nvectors=3":   {true, 3},
		"optimizer=adam\ngroup=f*=sgd":   {false, 0},
		"optimizer=adam\ngroup=f*=snopt": {true, 0},
	} {
		if factors, probes := settings(t, text).Curvature(); factors != want.factors || probes != want.probes {
			t.Errorf("%q: factors %v, probes %d", text, factors, probes)
		}
	}
}
