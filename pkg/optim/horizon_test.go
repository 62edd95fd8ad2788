package optim_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand"
	"strings"
	"testing"

	"odepipe/pkg/backend"
	"odepipe/pkg/backend/cpu"
	"odepipe/pkg/backend/ref"
	"odepipe/pkg/optim"
	"odepipe/pkg/tensor"
	"odepipe/pkg/testkit"
)

// growth is dx/dt = u x from x(t0) = x0 with the loss (x(t1) - y)^2 / 2, whose solution is known.
type growth struct{ x0, y, t0, c float64 }

func (g growth) x1(u, t1 float64) float64 { return g.x0 * math.Exp(u*(t1-g.t0)) }

// penalised is the loss with the penalty (c/2) (t1 - t0)^2.
func (g growth) penalised(u, t1 float64) float64 {
	e := g.x1(u, t1) - g.y
	return e*e/2 + g.c/2*(t1-g.t0)*(t1-g.t0)
}

// dphi is dL/dt1 = <dL/dx1, F>, slope dL/du; neither knows the penalty.
func (g growth) dphi(u, t1 float64) float64  { return (g.x1(u, t1) - g.y) * u * g.x1(u, t1) }
func (g growth) slope(u, t1 float64) float64 { return (g.x1(u, t1) - g.y) * (t1 - g.t0) * g.x1(u, t1) }

// block is a problem of one parameter u with a block from t0 to t1 that has it.
func block(be backend.Backend, u, t0, t1 float64) (*problem, optim.Parts) {
	p := &problem{be: be}
	p.params = []optim.Param{{Name: "ode.u", Value: p.upload(tensor.Of(1), []float64{u})}}
	return p, optim.Parts{Params: p.params, Blocks: []optim.Block{{Name: "ode", T0: t0, T1: t1, Params: []string{"ode.u"}}}}
}

// horizonStep is what a first step at once does to t1.
func horizonStep(t *testing.T, g growth, u, t1 float64, text string) float64 {
	t.Helper()
	p, parts := block(ref.New(), u, g.t0, t1)
	o, err := optim.New(p.be, settings(t, fmt.Sprintf("optimizer=sgd\nhorizon-freq=1\nhorizon-decay=0.5\nhorizon-lr=1e-6\nhorizon-cost=%g\n%s", g.c, text)), parts, 1)
	if err != nil {
		t.Fatal(err)
	}
	grads := map[string]tensor.T{"ode.u": p.upload(tensor.Of(1), []float64{g.slope(u, t1)})}
	if _, err := o.Step(0, optim.Batch{Size: 1, Grads: grads, DphiDt1: map[string]float64{"ode": g.dphi(u, t1)}}); err != nil {
		t.Fatal(err)
	}
	return (t1 - o.EndTimes(1)[0]) / 1e-6
}

// The parts of a step of t1 are told apart by the rate of u, which decides dtheta, and by the kind of horizon. Q_T is
// exact; Q_TT and Q_Tu are with the terms that they leave out.
func TestDerivativesInTheEndTime(t *testing.T) {
	for name, c := range map[string]struct {
		growth
		u, t1 float64
	}{
		"forward":             {growth{1.2, 0.3, 0, 0.02}, 0.7, 1.5},
		"from another t0":     {growth{0.8, -0.5, 0.25, 0.1}, -0.6, 1},
		"backward, as a flow": {growth{1.1, 2, 1, 0.05}, 0.9, 0.2},
	} {
		t.Run(name, func(t *testing.T) {
			const still, rate = "lr=1e-300", 1e-3
			dphi, x1, length := c.dphi(c.u, c.t1), c.x1(c.u, c.t1), c.t1-c.t0
			phiX, f, xu := x1-c.y, c.u*x1, length*x1 // Phi_x, F, dx1/du

			qT := horizonStep(t, c.growth, c.u, c.t1, "horizon=baseline\n"+still)
			slopeT := func(at []float64) float64 { return c.penalised(at[1], at[0]) }
			testkit.Close(t, "Q_T", []float64{qT}, testkit.Gradient(slopeT, []float64{c.t1, c.u})[:1], 1e-7, 1e-7)

			qTT := qT / horizonStep(t, c.growth, c.u, c.t1, "horizon=feedback\n"+still)
			second := testkit.Gradient(func(at []float64) float64 {
				return c.dphi(at[1], at[0]) + c.c*(at[0]-c.t0)
			}, []float64{c.t1, c.u}) // of Q_T in t1 and in u
			leftOut := (1-phiX*phiX)*f*f + phiX*c.u*f // (Phi_xx - Phi_x^2) F^2 + Phi_x F_x F
			testkit.Close(t, "Q_TT with what it leaves out", []float64{qTT + leftOut}, second[:1], 1e-6, 1e-6)

			moved := horizonStep(t, c.growth, c.u, c.t1, fmt.Sprintf("horizon=feedback\nlr=%g", rate))
			du := -rate * c.slope(c.u, c.t1)
			qTu := (moved*qTT - qT) / du
			leftOut = (1-phiX*phiX)*f*xu + phiX*(c.u*xu+x1) // (Phi_xx - Phi_x^2) F x_u + Phi_x (F_x x_u + F_u)
			testkit.Close(t, "Q_Tu with what it leaves out", []float64{qTu + leftOut}, second[1:], 1e-4, 1e-4)
			testkit.Close(t, "Q_Tu", []float64{qTu}, []float64{dphi * phiX * xu}, 1e-4, 1e-4)
		})
	}
}

// Equation (16) once more, with its averages and periods, over many steps.
func TestHorizonFollowsItsFormula(t *testing.T) {
	const lr, c, decay, period, least = 0.9, 0.03, 0.8, 3, 0.4
	for _, kind := range []string{"baseline", "feedback"} {
		for _, ends := range [][2]float64{{0.5, 1.5}, {1, -0.25}} {
			t0, t1 := ends[0], ends[1]
			p, parts := block(ref.New(), 1, t0, t1)
			o, err := optim.New(p.be, settings(t, "optimizer=sgd\nlr=0.1\nmomentum=0.5\nhorizon-lr=0.9\nhorizon-cost=0.03\nhorizon-decay=0.8\nhorizon-freq=3\nhorizon-min=0.4\nhorizon="+kind), parts, 1)
			if err != nil {
				t.Fatal(err)
			}
			rng := rand.New(rand.NewSource(1))
			qT, qTT, floored := 0.0, 0.0, false
			for step := int64(0); step < 60; step++ {
				g, dphi, u := rng.NormFloat64(), rng.NormFloat64(), p.values()[0]
				b := optim.Batch{Size: 1, Grads: map[string]tensor.T{"ode.u": p.upload(tensor.Of(1), []float64{g})}, DphiDt1: map[string]float64{"ode": dphi}}
				if _, err := o.Step(step, b); err != nil {
					t.Fatal(err)
				}
				qT, qTT = decay*qT+(1-decay)*(dphi+c*(t1-t0)), decay*qTT+(1-decay)*(c+dphi*dphi)
				if (step+1)%period == 0 {
					unbiased := 1 - math.Pow(decay, float64(step+1))
					change := qT / unbiased
					if kind == "feedback" {
						change = (qT/unbiased + dphi*g*(p.values()[0]-u)) / (qTT / unbiased)
					}
					t1 -= lr * change
					if side := math.Copysign(1, ends[1]-t0); side*(t1-t0) < least {
						t1, floored = t0+side*least, true
					}
				}
				near(t, fmt.Sprintf("%s, t1 after step %d", kind, step), o.EndTimes(step+1), []float64{t1}, 1e-12)
			}
			if kind == "feedback" && !floored {
				t.Error("the floor was not met")
			}
		}
	}
}

// With u held, both kinds end where the penalised loss has its minimum in t1.
func TestHorizonFindsTheBestEndTime(t *testing.T) {
	g := growth{1, 2.5, 0, 0.4}
	const u = 0.8
	low, high := 0.1, 2.0 // Q_T rises through zero in between
	for range 60 {
		if middle := (low + high) / 2; g.dphi(u, middle)+g.c*middle < 0 {
			low = middle
		} else {
			high = middle
		}
	}
	for _, text := range []string{"horizon=baseline\nhorizon-lr=0.1", "horizon=feedback\nhorizon-lr=0.3"} {
		p, parts := block(ref.New(), u, 0, 0.3)
		o, err := optim.New(p.be, settings(t, "optimizer=sgd\nlr=1e-300\nhorizon-cost=0.4\nhorizon-freq=1\nhorizon-decay=0.1\n"+text), parts, 1)
		if err != nil {
			t.Fatal(err)
		}
		for step := int64(0); step < 400; step++ {
			t1 := o.EndTimes(step)[0]
			grads := map[string]tensor.T{"ode.u": p.upload(tensor.Of(1), []float64{g.slope(u, t1)})}
			if _, err := o.Step(step, optim.Batch{Size: 1, Grads: grads, DphiDt1: map[string]float64{"ode": g.dphi(u, t1)}}); err != nil {
				t.Fatal(err)
			}
		}
		testkit.Close(t, text, o.EndTimes(400), []float64{low}, 1e-6, 0)
	}
}

func TestSteeredEndTimes(t *testing.T) {
	draw := func(text string) *optim.Optimizer {
		p, parts := block(ref.New(), 1, 1, -1)
		parts.Blocks = append(parts.Blocks, optim.Block{Name: "other", T0: 0, T1: 3})
		o, err := optim.New(p.be, settings(t, "optimizer=sgd\n"+text), parts, 1)
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	o, same, other := draw("steer=0.5"), draw("steer=0.5\nsteer-seed=0"), draw("steer=0.5\nsteer-seed=1")
	const steps = 4000
	var sum, square, product, agree float64
	for step := int64(0); step < steps; step++ {
		a, b := o.EndTimes(step), other.EndTimes(step)
		if again := same.EndTimes(step); again[0] != a[0] || again[1] != a[1] {
			t.Fatalf("step %d: %v, then %v", step, a, again)
		}
		x, y := a[0]+1, a[1]-3
		if !(math.Abs(x) <= 0.5 && math.Abs(y) <= 0.5) {
			t.Fatalf("step %d: %v", step, a)
		}
		sum, square, product, agree = sum+x, square+x*x, product+x*y, agree+x*(b[0]+1)
	}
	// Standard deviations: 0.29 of a draw, 0.083 of the product of two; the bounds are four of their means'.
	testkit.Close(t, "mean, variance, and covariance with another block and another seed", []float64{sum / steps, square / steps, product / steps, agree / steps},
		[]float64{0, 1. / 12, 0, 0}, 0.02, 0)
}

func TestEndTimesThatCannotMove(t *testing.T) {
	for text, says := range map[string]string{
		"steer=2":                        "reaches t0",
		"steer=3":                        "reaches t0",
		"horizon=feedback\nsteer=1":      "horizon feedback moves it",
		"horizon-lr=0.1":                 "no effect without horizon",
		"horizon-min=0.1":                "no effect without horizon",
		"steer-seed=3":                   "no effect without steer",
		"horizon=free":                   "fixed, baseline, feedback",
		"horizon=baseline\nhorizon-lr=0": "above 0",
	} {
		p, parts := block(ref.New(), 1, 1, -1)
		s, err := optim.Parse("optimizer=sgd\n" + text)
		if err == nil {
			_, err = optim.New(p.be, s, parts, 1)
		}
		if !errors.Is(err, optim.ErrSetting) || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: error %v, which should say %q", text, err, says)
		}
		parts.Blocks = nil
		for _, moving := range []string{"horizon=baseline", "steer=0.1"} {
			if _, err := optim.New(p.be, settings(t, moving), parts, 1); !errors.Is(err, optim.ErrSetting) {
				t.Errorf("%s without a block: error %v", moving, err)
			}
		}
	}
}

func TestDerivativesInTheEndTimeThatAreOfNoUse(t *testing.T) {
	for name, c := range map[string]struct {
		dphi map[string]float64
		want error
	}{
		"missing":      {nil, optim.ErrMismatch},
		"not a number": {map[string]float64{"ode": math.NaN()}, optim.ErrNonFinite},
		"infinite":     {map[string]float64{"ode": math.Inf(1)}, optim.ErrNonFinite},
	} {
		p, parts := block(ref.New(), 1, 0, 1)
		o, err := optim.New(p.be, settings(t, "optimizer=sgd\nhorizon=feedback"), parts, 1)
		if err != nil {
			t.Fatal(err)
		}
		grads := map[string]tensor.T{"ode.u": p.upload(tensor.Of(1), []float64{1})}
		if _, err := o.Step(0, optim.Batch{Size: 1, Grads: grads, DphiDt1: c.dphi}); !errors.Is(err, c.want) {
			t.Errorf("%s: error %v", name, err)
		}
		same(t, name+": parameters", p.values(), []float64{1})
	}
}

// A trained t1 and the averages behind it come back from the element type of a checkpoint.
func TestHorizonsContinueToTheBit(t *testing.T) {
	const text = "optimizer=sgd\nlr=0.1\nhorizon=feedback\nhorizon-freq=3"
	for name, be := range map[string]backend.Backend{"ref": ref.New(), "cpu": cpu.New(1)} {
		run := func(o *optim.Optimizer, p *problem, from, to int64) {
			for step := from; step < to; step++ {
				rng := rand.New(rand.NewSource(step))
				b := optim.Batch{Size: 1, Grads: map[string]tensor.T{"ode.u": p.upload(tensor.Of(1), []float64{rng.NormFloat64()})}, DphiDt1: map[string]float64{"ode": rng.NormFloat64()}}
				if _, err := o.Step(step, b); err != nil {
					t.Fatal(err)
				}
			}
		}
		start := func(u, t1 float64) (*problem, *optim.Optimizer) {
			p, parts := block(be, u, 0, t1)
			o, err := optim.New(be, settings(t, text), parts, 1)
			if err != nil {
				t.Fatal(err)
			}
			return p, o
		}
		p, through := start(1, 1)
		run(through, p, 0, 20)
		for _, stop := range []int64{1, 6, 8} {
			half, o := start(1, 1)
			run(o, half, 0, stop)
			t1 := o.EndTimes(stop)[0]
			if be.DType() == tensor.Float32 {
				t1 = float64(float32(t1))
			}
			again, restored := start(half.values()[0], t1)
			if err := restored.Restore(half.copied(o)); err != nil {
				t.Fatal(err)
			}
			run(restored, again, stop, 20)
			same(t, name+": u and t1", append(again.values(), restored.EndTimes(20)...), append(p.values(), through.EndTimes(20)...))
		}
	}
}
