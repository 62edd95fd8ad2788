package optim_test

import (
	"fmt"
	"math"
	"math/rand"
	"testing"

	"odepipe/pkg/backend/ref"
	"odepipe/pkg/kfac"
	"odepipe/pkg/optim"
	"odepipe/pkg/tensor"
)

func TestSettingsReachThePreconditioner(t *testing.T) {
	for text, in := range map[string]kfac.Inversion{
		"":                                      {Alpha: 0.75},
		"damping=pi":                            {Alpha: 0.75, Damping: kfac.Split},
		"damping=relative\nalpha=0.5":           {Alpha: 0.5, Damping: kfac.Relative},
		"preconditioner=kfac":                   {Kronecker: true},
		"preconditioner=kfac\ndamping=pi":       {Kronecker: true, Damping: kfac.Split},
		"preconditioner=kfac\ndamping=relative": {Kronecker: true, Damping: kfac.Relative},
	} {
		p := newProblem(ref.New())
		o := p.optimizer(t, "lr=0.5\neps=0.1\nweight-decay=0.25\n"+text)
		before, grads, factors := p.values(), p.grads(0), p.factors(0)
		p.run(t, o, 0, 1)

		in.Batch, in.Eps, in.Penalty = 16, 0.1, 0.25
		basis := kfac.NewEigenbasis(p.be, 3, 8, false)
		kfac.Refresh(p.be, []*kfac.Eigenbasis{basis}, []kfac.Factors{factors["ode.conv"]}, 1)
		g := download(p.be, grads["ode.conv.weight"])
		for i := range g {
			g[i] += 0.25 * before[i]
		}
		d := kfac.Gradient{Weight: p.upload(tensor.Of(3, 8), g)}
		basis.Precondition(p.be, d, d, in)
		want := download(p.be, d.Weight)
		for i := range want {
			want[i] = before[i] - 0.5*want[i]
		}
		near(t, text, p.values()[:24], want, 1e-13)
	}
}

// scalar is a layer of one weight 1 with curvature ab under a loss that the test makes up.
func scalar(t *testing.T, text string) (p *problem, o *optim.Optimizer, step func(k int64, loss, g float64) optim.Report) {
	t.Helper()
	p = &problem{be: ref.New(), layers: []optim.Layer{{Name: "w", Weight: "w"}}}
	p.params = []optim.Param{{Name: "w", Value: p.upload(tensor.Of(1, 1), []float64{1})}}
	o = p.optimizer(t, text)
	return p, o, func(k int64, loss, g float64) optim.Report {
		report, err := o.Step(k, optim.Batch{Size: 1, Loss: loss, Grads: map[string]tensor.T{"w": p.upload(tensor.Of(1, 1), []float64{g})},
			Factors: map[string]kfac.Factors{"w": {A: p.upload(tensor.Of(1, 1), []float64{2}), B: p.upload(tensor.Of(1, 1), []float64{1.5})}}})
		if err != nil {
			t.Fatal(err)
		}
		return report
	}
}

func TestAdaptiveDampingFollowsItsFormula(t *testing.T) {
	const curvature, lr, period = 3.0, 0.7, 4
	p, _, step := scalar(t, "lr=0.7\neps=0.2\nalpha=1\ndamping=adaptive\ndamping-freq=4")
	rng := rand.New(rand.NewSource(1))
	w, eps, delta, sum := 1.0, 0.2, 0.0, 0.0
	var smooth, before, variance, model, modelBefore float64 // L and P, now and as the period began
	grew, shrank, waited := false, false, false
	for k := int64(0); k < 120; k++ {
		loss, g := math.Abs(30-0.5*float64(k))+4*rng.Float64(), rng.NormFloat64()
		if k == 0 {
			smooth, before = loss, loss
		}
		sum += g*delta - curvature*delta*delta/2
		sigma := math.Sqrt(2 * variance * 0.1 / 1.9)
		variance = 0.9*variance + 0.1*math.Pow(loss-smooth, 2)
		smooth, model = 0.9*smooth+0.1*loss, 0.9*model+0.1*sum
		if k > 0 && k%period == 0 {
			switch fell, predicted := smooth-before, model-modelBefore; {
			case fell > predicted/4+sigma:
				eps, grew, before, modelBefore = eps/math.Pow(0.95, period), true, smooth, model
			case fell < 3*predicted/4-sigma:
				eps, shrank, before, modelBefore = eps*math.Pow(0.95, period), true, smooth, model
			default:
				waited = true
			}
		}
		delta = -lr * g / (curvature + eps)
		w += delta
		report := step(k, loss, g)
		near(t, fmt.Sprintf("step %d: eps, weight", k), []float64{report.Damping, p.values()[0]}, []float64{eps, w}, 1e-11)
	}
	if !grew || !shrank || !waited {
		t.Errorf("the losses do not show everything: grew %v, shrank %v, waited %v", grew, shrank, waited)
	}
}

func TestAdaptiveDampingByHowTheLossGoes(t *testing.T) {
	cases := []struct {
		name, rate string
		steps      int64
		loss       func(k int64, w float64) float64
		slope      func(w float64) float64
		want       [2]float64 // of eps, between which
	}{
		{"just as the model says", "0.01", 2000, func(_ int64, w float64) float64 { return 1.5 * w * w }, func(w float64) float64 { return 3 * w }, [2]float64{0.2e-3, 0.2e-3}},
		{"up whatever is done", "0.01", 2000, func(k int64, _ float64) float64 { return float64(k) }, func(float64) float64 { return 1 }, [2]float64{200, 200}},
		{"up since the steps are too long", "2", 12, func(_ int64, w float64) float64 { return 6 * w * w }, func(w float64) float64 { return 12 * w }, [2]float64{0.25, 0.4}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p, _, step := scalar(t, "eps=0.2\nalpha=1\ndamping=adaptive\nlr="+c.rate)
			last := 0.0
			for k := int64(0); k < c.steps; k++ {
				w := p.values()[0]
				last = step(k, c.loss(k, w), c.slope(w)).Damping
			}
			if !(last >= c.want[0]*(1-1e-12) && last <= c.want[1]*(1+1e-12)) {
				t.Errorf("eps ends at %g, want %v", last, c.want)
			}
		})
	}
}

func TestAdaptiveDampingNeedsTheLoss(t *testing.T) {
	p := newProblem(ref.New())
	o := p.optimizer(t, "damping=adaptive")
	before := p.values()
	if _, err := o.Step(0, optim.Batch{Size: 16, Loss: math.NaN(), Grads: p.grads(0), Factors: p.factors(0)}); err == nil {
		t.Error("a loss that is not a number was taken")
	}
	same(t, "parameters", p.values(), before)
}
