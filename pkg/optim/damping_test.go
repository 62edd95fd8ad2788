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
	w, eps, smooth, before, predicted := 1.0, 0.2, 0.0, 0.0, 0.0
	grew, shrank := false, false
	for k := int64(0); k < 80; k++ {
		loss, g := math.Abs(20-0.5*float64(k))+4*rng.Float64(), rng.NormFloat64()
		smooth = 0.9*smooth + 0.1*loss
		if k == 0 {
			smooth = loss
		}
		if k%period == 0 {
			if k > 0 {
				switch ratio := (smooth - before) / predicted; {
				case ratio > 0.75:
					eps, shrank = eps*math.Pow(0.95, period), true
				case ratio < 0.25:
					eps, grew = eps/math.Pow(0.95, period), true
				}
			}
			before, predicted = smooth, 0
		}
		delta := -lr * g / (curvature + eps)
		w += delta
		predicted += g*delta + curvature*delta*delta/2
		report := step(k, loss, g)
		near(t, fmt.Sprintf("step %d: eps, weight", k), []float64{report.Damping, p.values()[0]}, []float64{eps, w}, 1e-11)
	}
	if !grew || !shrank {
		t.Error("the losses do not show both directions")
	}
}

func TestAdaptiveDampingStaysWithinBoundsAndFollowsTheModel(t *testing.T) {
	// A loss that is what the model says: with a full step, its quadratic.
	p, _, step := scalar(t, "lr=0.01\neps=0.2\nalpha=1\ndamping=adaptive")
	last := 0.2
	for k := int64(0); k < 2000; k++ {
		w := p.values()[0]
		last = step(k, 1.5*w*w, 3*w).Damping
	}
	if !(math.Abs(last-0.2e-3) <= 1e-12) {
		t.Errorf("eps of a perfect model ends at %g, want a thousandth of 0.2", last)
	}
	// A loss that rises whatever is done.
	_, _, step = scalar(t, "lr=0.01\neps=0.2\nalpha=1\ndamping=adaptive")
	for k := int64(0); k < 2000; k++ {
		last = step(k, float64(k), 1).Damping
	}
	if !(math.Abs(last-200) <= 1e-9) {
		t.Errorf("eps of a useless model ends at %g, want a thousand times 0.2", last)
	}
	// Steps that the model itself takes to be too long.
	_, _, step = scalar(t, "lr=100\neps=0.2\nalpha=1\ndamping=adaptive\ndamping-freq=1")
	step(0, 1, 1)
	if got := step(1, 0, 1).Damping; !(math.Abs(got-0.2/0.95) <= 1e-12) {
		t.Errorf("eps after a step that must raise the loss is %g", got)
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
