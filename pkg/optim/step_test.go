package optim_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"

	"odepipe/pkg/backend/ref"
	"odepipe/pkg/eigen"
	"odepipe/pkg/kfac"
	"odepipe/pkg/optim"
	"odepipe/pkg/tensor"
)

func TestStepsWorkedByHand(t *testing.T) {
	cases := []struct {
		name, settings string
		grads, want    []float64 // from p = 1
	}{
		{"plain descent", "optimizer=sgd\nlr=0.1", []float64{0.5, 1}, []float64{0.95, 0.85}},
		{"momentum: b = 0.5, then 0.95", "optimizer=sgd\nlr=0.1\nmomentum=0.9", []float64{0.5, 0.5}, []float64{0.95, 0.855}},
		{"Nesterov: d + 0.9 b = 0.95, then 1.355", "optimizer=sgd\nlr=0.1\nmomentum=0.9\nnesterov=true", []float64{0.5, 0.5}, []float64{0.905, 0.7695}},
		{"decay: d = 0.5 + 0.2 p", "optimizer=sgd\nlr=0.1\nweight-decay=0.2", []float64{0.5, 0.5}, []float64{0.93, 0.8614}},
		{"Adam's first step has length lr", "optimizer=adam\nlr=0.25\nadam-eps=1e-300", []float64{-8}, []float64{1.25}},
		{"AdamW shrinks first: 0.9 - 0.25", "optimizer=adamw\nlr=0.25\nadam-eps=1e-300\nweight-decay=0.4", []float64{8}, []float64{0.65}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p := one(1)
			o := p.optimizer(t, c.settings)
			for i, g := range c.grads {
				near(t, fmt.Sprintf("p after step %d", i), []float64{p.feed(t, o, int64(i), g)}, c.want[i:i+1], 1e-14)
			}
		})
	}
}

// torch is the pseudo-code of PyTorch's documentation of SGD, Adam and AdamW, line by line, for one number.
type torch struct {
	optimizer                      string
	lr, momentum, decay            float64
	nesterov                       bool
	beta1, beta2, eps              float64
	theta, buffer, mean, square, t float64
}

func (s *torch) step(g float64) float64 {
	s.t++
	if s.optimizer == "adamw" {
		s.theta -= s.lr * s.decay * s.theta
	} else {
		g += s.decay * s.theta
	}
	if s.optimizer == "sgd" {
		if s.momentum != 0 {
			if s.t > 1 {
				s.buffer = s.momentum*s.buffer + g
			} else {
				s.buffer = g
			}
			if s.nesterov {
				g += s.momentum * s.buffer
			} else {
				g = s.buffer
			}
		}
		s.theta -= s.lr * g
		return s.theta
	}
	s.mean = s.beta1*s.mean + (1-s.beta1)*g
	s.square = s.beta2*s.square + (1-s.beta2)*g*g
	unbiasedMean := s.mean / (1 - math.Pow(s.beta1, s.t))
	unbiasedSquare := s.square / (1 - math.Pow(s.beta2, s.t))
	s.theta -= s.lr * unbiasedMean / (math.Sqrt(unbiasedSquare) + s.eps)
	return s.theta
}

func TestFirstOrderStepsAsInPyTorch(t *testing.T) {
	cases := []struct {
		settings string
		torch    torch
	}{
		{"optimizer=sgd\nlr=0.05", torch{optimizer: "sgd", lr: 0.05}},
		{"optimizer=sgd\nlr=0.05\nmomentum=0.8\nweight-decay=0.1", torch{optimizer: "sgd", lr: 0.05, momentum: 0.8, decay: 0.1}},
		{"optimizer=sgd\nlr=0.05\nmomentum=0.8\nnesterov=true\nweight-decay=0.1", torch{optimizer: "sgd", lr: 0.05, momentum: 0.8, nesterov: true, decay: 0.1}},
		{"optimizer=sgd", torch{optimizer: "sgd", lr: 0.01}},
		{"optimizer=adam", torch{optimizer: "adam", lr: 0.001, beta1: 0.9, beta2: 0.999, eps: 1e-8}},
		{"optimizer=adam\nlr=0.1\nweight-decay=0.3\nbeta1=0.7\nbeta2=0.9\nadam-eps=0.01", torch{optimizer: "adam", lr: 0.1, decay: 0.3, beta1: 0.7, beta2: 0.9, eps: 0.01}},
		{"optimizer=adamw\nlr=0.1\nweight-decay=0.3", torch{optimizer: "adamw", lr: 0.1, decay: 0.3, beta1: 0.9, beta2: 0.999, eps: 1e-8}},
	}
	for _, c := range cases {
		t.Run(strings.ReplaceAll(c.settings, "\n", " "), func(t *testing.T) {
			p, rng := one(1.5), rand.New(rand.NewSource(2))
			o := p.optimizer(t, c.settings)
			c.torch.theta = 1.5
			for step := int64(0); step < 6; step++ {
				g := rng.NormFloat64()
				near(t, fmt.Sprintf("theta after step %d", step), []float64{p.feed(t, o, step, g)}, []float64{c.torch.step(g)}, 1e-13)
			}
		})
	}
}

// The whole of Algorithm 2 once more, in dense matrices: U_A and U_B from another eigensolver.
func TestSNOptAgainstAlgorithm2(t *testing.T) {
	const lr, momentum, decay, eps, alpha, batch, freq = 0.1, 0.9, 0.02, 0.07, 0.6, 16, 3
	p := newProblem(ref.New())
	o := p.optimizer(t, "lr=0.1\nmomentum=0.9\nweight-decay=0.02\neps=0.07\nalpha=0.6\nfreq=3")
	initial := p.values()
	theta := mat.NewDense(4, 4, nil) // fc: [weight bias]
	for i := 0; i < 4; i++ {
		for j := 0; j < 3; j++ {
			theta.Set(i, j, initial[24+3*i+j])
		}
		theta.Set(i, 3, initial[36+i])
	}
	var ua, ub mat.Dense
	s, buffer := mat.NewDense(4, 4, nil), mat.NewDense(4, 4, nil)
	for step := int64(0); step < 7; step++ {
		grads, factors := p.grads(step), p.factors(step)
		if o.Wants(step) != (step%freq == 0) {
			t.Errorf("step %d: wants factors is %v", step, o.Wants(step))
		}
		if step%freq == 0 {
			var a, b mat.EigenSym
			if !a.Factorize(mat.NewSymDense(4, download(p.be, factors["fc"].A)), true) || !b.Factorize(mat.NewSymDense(4, download(p.be, factors["fc"].B)), true) {
				t.Fatal("the other eigensolver gave up")
			}
			a.VectorsTo(&ua)
			b.VectorsTo(&ub)
			s.Mul(mat.NewDense(4, 1, b.Values(nil)), mat.NewDense(1, 4, a.Values(nil)))
		}
		var g, k, d mat.Dense
		g.Augment(mat.NewDense(4, 3, download(p.be, grads["fc.weight"])), mat.NewDense(4, 1, download(p.be, grads["fc.bias"])))
		k.Scale(decay, theta)
		g.Add(&g, &k)
		k.Product(ub.T(), &g, &ua)
		k.Apply(func(i, j int, v float64) float64 {
			s.Set(i, j, alpha*s.At(i, j)+(1-alpha)*batch*v*v)
			return v / (s.At(i, j) + decay + eps)
		}, &k)
		d.Product(&ub, &k, ua.T())
		buffer.Scale(momentum, buffer)
		buffer.Add(buffer, &d)
		d.Scale(lr, buffer)
		theta.Sub(theta, &d)

		if _, err := o.Step(step, optim.Batch{Size: batch, Grads: grads, Factors: factors}); err != nil {
			t.Fatal(err)
		}
		got := p.values()
		for i := 0; i < 4; i++ {
			row := append(got[24+3*i:24+3*i+3:24+3*i+3], got[36+i])
			near(t, fmt.Sprintf("step %d, row %d of fc", step, i), row, theta.RawRowView(i), 1e-11)
		}
	}
}

// On a quadratic whose Hessian is B (x) A the step is Newton's: 20 steps suffice where gradient descent, at the
// largest stable rate, has hardly begun.
func TestSNOptOnAQuadraticWithKroneckerCurvature(t *testing.T) {
	const out, in = 3, 5
	rng := rand.New(rand.NewSource(3))
	a, b := mat.NewDense(in, in, gram(in, rng)), mat.NewDense(out, out, gram(out, rng))
	for i := 0; i < in; i++ {
		a.Set(i, i, a.At(i, i)+1e-3)
	}
	b.Scale(100, b)
	solve := func(text string) float64 {
		p := &problem{be: ref.New(), layers: []optim.Layer{{Name: "w", Weight: "w"}}}
		w := p.upload(tensor.Of(out, in), normal(out*in, rand.New(rand.NewSource(4))))
		p.params = []optim.Param{{Name: "w", Value: w}}
		o := p.optimizer(t, text)
		factors := map[string]kfac.Factors{"w": {A: p.upload(tensor.Of(in, in), a.RawMatrix().Data), B: p.upload(tensor.Of(out, out), b.RawMatrix().Data)}}
		for step := int64(0); step < 20; step++ {
			var g mat.Dense
			g.Product(b, mat.NewDense(out, in, download(p.be, w)), a)
			grads := map[string]tensor.T{"w": p.upload(tensor.Of(out, in), g.RawMatrix().Data)}
			if _, err := o.Step(step, optim.Batch{Size: 1, Grads: grads, Factors: factors}); err != nil {
				t.Fatal(err)
			}
		}
		return mat.Norm(mat.NewDense(out, in, download(p.be, w)), 2)
	}
	if distance := solve("lr=1\nalpha=1\neps=1e-4"); !(distance < 1e-6) {
		t.Errorf("snopt is still %g away", distance)
	}
	largest := mat.Norm(a, 2) * mat.Norm(b, 2)
	if distance := solve(fmt.Sprintf("optimizer=sgd\nlr=%g", 1/largest)); !(distance > 0.1) {
		t.Errorf("sgd is %g away: the problem is too easy to show anything", distance)
	}
}

func TestReport(t *testing.T) {
	p := newProblem(ref.New())
	o := p.optimizer(t, "lr=0.5\nfreq=2\nschedule=multistep\nmilestones=1\ngamma=0.25\ngroup=fc.*=adam,lr=0.01")
	for step := int64(0); step < 4; step++ {
		before, sum := p.values(), 0.0
		grads := p.grads(step)
		for _, g := range grads {
			for _, v := range download(p.be, g) {
				sum += v * v
			}
		}
		report, err := o.Step(step, optim.Batch{Size: 16, Grads: grads, Factors: p.factors(step)})
		if err != nil {
			t.Fatal(err)
		}
		change := 0.0
		for i, v := range p.values() {
			change += (v - before[i]) * (v - before[i])
		}
		near(t, "norms", []float64{report.GradNorm, report.UpdateNorm}, []float64{math.Sqrt(sum), math.Sqrt(change)}, 1e-12)
		if want := []float64{0.5, 0.125, 0.125, 0.125}[step]; report.LR != want {
			t.Errorf("step %d: rate %g, want %g", step, report.LR, want)
		}
		if want := []int{1, 0, 1, 0}[step]; report.Refreshed != want {
			t.Errorf("step %d refreshed %d layers, want %d", step, report.Refreshed, want)
		}
	}
}

func TestStepsThatAreRefusedChangeNothing(t *testing.T) {
	cases := []struct {
		name  string
		spoil func(p *problem, grads map[string]tensor.T)
		want  error
		names string
	}{
		{"not a number", func(p *problem, g map[string]tensor.T) {
			g["fc.bias"] = p.upload(tensor.Of(4), []float64{0, math.NaN(), 0, 0})
		}, optim.ErrNonFinite, "fc.bias"},
		{"infinite", func(p *problem, g map[string]tensor.T) {
			g["fc.bias"] = p.upload(tensor.Of(4), []float64{0, 0, 0, math.Inf(-1)})
		}, optim.ErrNonFinite, "fc.bias"},
		{"square overflows", func(p *problem, g map[string]tensor.T) {
			g["fc.bias"] = p.upload(tensor.Of(4), []float64{1e200, 0, 0, 0})
		}, optim.ErrNonFinite, "fc.bias"},
		{"square times batch overflows", func(p *problem, g map[string]tensor.T) {
			g["fc.bias"] = p.upload(tensor.Of(4), []float64{1.2e154, 0, 0, 0})
		}, optim.ErrNonFinite, "fc.bias"},
		{"missing", func(_ *problem, g map[string]tensor.T) { delete(g, "fc.weight") }, optim.ErrMismatch, "fc.weight"},
		{"another shape", func(p *problem, g map[string]tensor.T) {
			g["fc.weight"] = p.upload(tensor.Of(3, 4), make([]float64, 12))
		}, optim.ErrMismatch, "fc.weight"},
	}
	for backendName, newBackend := range backends() {
		for _, c := range cases {
			t.Run(backendName+"/"+c.name, func(t *testing.T) {
				p := newProblem(newBackend())
				o := p.optimizer(t, "momentum=0.9\nfreq=1")
				p.run(t, o, 0, 2)
				values, state := p.values(), p.copied(o)
				grads := p.grads(2)
				c.spoil(p, grads)
				_, err := o.Step(2, optim.Batch{Size: 16, Grads: grads, Factors: p.factors(2)})
				if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.names) {
					t.Errorf("error %v", err)
				}
				var numerical interface{ Numerical() bool }
				if errors.As(err, &numerical) != (c.want == optim.ErrNonFinite) {
					t.Errorf("error %v: wrong exit status", err)
				}
				same(t, "parameters", p.values(), values)
				for i, s := range p.copied(o) {
					same(t, s.Name+" "+s.What, s.T.Buf.F64, state[i].T.Buf.F64)
				}
			})
		}
	}
}

func TestRefreshThatFails(t *testing.T) {
	p := newProblem(ref.New())
	o := p.optimizer(t, "freq=2")
	bad := func(step int64) map[string]kfac.Factors {
		f := p.factors(step)
		f["fc"] = kfac.Factors{A: f["fc"].A, B: p.upload(tensor.Of(4, 4), append(make([]float64, 15), math.NaN()))}
		return f
	}
	initial := p.values()
	if _, err := o.Step(0, optim.Batch{Size: 16, Grads: p.grads(0), Factors: bad(0)}); !errors.Is(err, eigen.ErrNonFinite) || !strings.Contains(err.Error(), "layer fc") {
		t.Errorf("first refresh: error %v", err)
	}
	if _, err := o.Step(0, optim.Batch{Size: 16, Grads: p.grads(0)}); !errors.Is(err, optim.ErrMismatch) {
		t.Errorf("first refresh without factors: error %v", err)
	}
	same(t, "parameters", p.values(), initial)
	if !o.Wants(1) {
		t.Error("without a basis the next step must want factors")
	}
	p.run(t, o, 1, 2)
	if o.Wants(3) || !o.Wants(4) {
		t.Error("with a basis, only multiples of freq want factors")
	}
	for name, factors := range map[string]map[string]kfac.Factors{
		"not a number": bad(2),
		"missing":      {"ode.conv": p.factors(2)["ode.conv"]},
		"wrong shape":  {"ode.conv": p.factors(2)["ode.conv"], "fc": p.factors(2)["ode.conv"]},
	} {
		report, err := o.Step(2, optim.Batch{Size: 16, Grads: p.grads(2), Factors: factors})
		if err != nil || report.Refreshed != 1 || len(report.Warnings) != 1 || !strings.Contains(report.Warnings[0], "layer fc keeps") {
			t.Errorf("%s: error %v, report %+v", name, err, report)
		}
	}
}
