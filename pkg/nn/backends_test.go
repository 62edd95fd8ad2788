package nn_test

import (
	"testing"

	"odepipe/pkg/backend/cpu"
	"odepipe/pkg/nn"
	"odepipe/pkg/tensor"
	"odepipe/pkg/testkit"
)

// everything is y, ydot and all cotangents at a point, by name.
func (p point) everything() map[string][]float64 {
	size := samples * p.chain.Out.Size()
	y, byVJP := p.vjpEach(testkit.Normal(6, size))
	numbers := map[string][]float64{"y": y, "dx": p.numbers(byVJP.Dx), "dt": byVJP.Dt}
	add := func(what string, list []tensor.T) {
		for _, x := range list {
			numbers[what] = append(numbers[what], p.numbers(x)...)
		}
	}
	add("dparams", byVJP.Params)
	add("dparams by sample", byVJP.Each)

	bound, ydot, x := p.bind()
	bound.AllowVJP()
	bound.AllowJVP()
	bound.Inputs(p.t, x)
	bound.JVP(ydot, p.direction())
	want, dxdot := p.wanted(), p.batch(p.chain.In, p.x)
	bound.PairVJP(want, dxdot, p.batch(p.chain.Out, testkit.Normal(6, size)), p.batch(p.chain.Out, testkit.Normal(7, size)))
	add("ydot", []tensor.T{ydot})
	add("dx of the pair", []tensor.T{want.Dx})
	add("dxdot", []tensor.T{dxdot})
	add("dparams of the pair", want.Params)
	numbers["dt of the pair"] = want.Dt
	return numbers
}

func TestSinglePrecisionAgrees(t *testing.T) {
	fast := cpu.New(2)
	defer fast.Close()
	for _, c := range chains {
		for name, times := range timesOf(samples) {
			t.Run(c.name+", "+name, func(t *testing.T) {
				exact := newPoint(t, c.specs, c.in, times).along(true, true, true)
				single := exact
				single.be = fast
				want := exact.everything()
				for what, got := range single.everything() {
					testkit.Close(t, what, got, want[what], 2e-5, 2e-5)
				}
			})
		}
	}
}

func TestDerivativesDoNotAllocate(t *testing.T) {
	fast := cpu.New(2)
	defer fast.Close()
	for _, c := range chains {
		p := newPoint(t, c.specs, c.in, []float64{0.7})
		p.be = fast
		bound, pair, _ := p.probed()
		for i, d := range pair.Along {
			pair.Along[i] = nn.Direction{Dx: d.Dx, Dt: d.Dt} // tangents of the parameters are bound anew
		}
		y, want := p.be.Batch(samples, p.chain.Out), p.wanted()
		ydots := []tensor.T{y, y, y}
		if count := testing.AllocsPerRun(5, func() {
			bound.Inputs(p.t, want.Dx)
			bound.VJP(want, pair.Dy)
			bound.JVPs(ydots, pair.Along)
			bound.PairVJPs(want, pair.WantDots, pair.Dy, pair.Dydots)
		}); count != 0 {
			t.Errorf("%s: %g allocations", c.name, count)
		}
	}
}
