package adjoint_test

import (
	"slices"
	"testing"

	"odepipe/pkg/adjoint"
	"odepipe/pkg/nn"
	"odepipe/pkg/ode"
	"odepipe/pkg/tensor"
	"odepipe/pkg/testkit"
)

// TestFactorsOfFlows holds the samplers to (13) of the augmented field (F, divergence), integrated by Simpson's rule from
// pairs (z, g) at points that separate solves reach: x forwards to t, and a backwards to t. That g is the derivative of
// <a, F> + w <e, F_x e> with respect to a layer's output, differences show in package nn.
func TestFactorsOfFlows(t *testing.T) {
	const intervals, weight = 32, -0.25
	m := newMoving(t, func(p *adjoint.Problem) {
		fine(p)
		p.Costs = adjoint.Costs{Divergence: weight}
	})
	m.probes = 2
	theta, x0, t0, t1 := testkit.Normal(1, m.params), testkit.Normal(2, movingSamples*movingDims), []float64{0.1}, []float64{0.9}
	layers := m.chain.Affine()
	whole := m.problem(theta, t0, t1)
	end, err := adjoint.Solve(whole, m.batch(x0), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := adjoint.NewFactors(m.be, layers)
	for j := range intervals + 1 {
		at := t0[0] + (t1[0]-t0[0])*float64(j)/intervals
		ds := (t1[0] - t0[0]) / intervals / 3 * []float64{2, 4}[j%2]
		if j == 0 || j == intervals {
			ds /= 2
		}
		x := m.batch(x0)
		if j > 0 {
			there, err := adjoint.Solve(m.problem(theta, t0, []float64{at}), x, nil)
			if err != nil {
				t.Fatal(err)
			}
			x = there.X
		}
		a := m.batch(m.c)
		if j < intervals {
			back, err := adjoint.Differentiate(m.problem(theta, []float64{at}, t1), x, end.X, a, adjoint.Want{})
			if err != nil {
				t.Fatal(err)
			}
			a = back.Dx0
		}
		p := m.problem(theta, t0, t1)
		y, tangents, dots, along := m.batch(x0), []tensor.T{}, []tensor.T{}, []nn.Direction{}
		for _, e := range p.Costs.Probes {
			dot := m.batch(x0)
			m.be.Combine(dot, []float64{weight}, e)
			tangents, dots, along = append(tangents, m.batch(x0)), append(dots, dot), append(along, nn.Direction{Dx: e})
		}
		p.Field.Forward(y, []float64{at}, x)
		p.Field.JVPs(tangents, along)
		const n2 = movingSamples * movingSamples
		p.Field.PairVJPs(nn.Cotangents{Tap: want.Tap(ds, ds*n2/(t1[0]-t0[0]))}, nil, a, dots)
	}
	for name, sampler := range map[string]func(*adjoint.Factors) adjoint.Sampler{
		"grid":   func(f *adjoint.Factors) adjoint.Sampler { return &adjoint.Grid{Step: 0.0005, Into: f} },
		"stages": func(f *adjoint.Factors) adjoint.Sampler { return &adjoint.Stages{Into: f, Layers: layers} },
	} {
		for _, method := range []adjoint.Method{adjoint.Backsolve, adjoint.Interpolated} {
			got := adjoint.NewFactors(m.be, layers)
			whole.Method = method
			if _, err := adjoint.Differentiate(whole, m.batch(x0), end.X, m.batch(m.c), adjoint.Want{Samples: sampler(got)}); err != nil {
				t.Fatal(err)
			}
			for _, l := range layers {
				testkit.Close(t, name+", "+string(method)+": A of "+l.Name, download(m.be, got.A[l]), download(m.be, want.A[l]), 1e-5, 1e-5)
				testkit.Close(t, name+", "+string(method)+": B of "+l.Name, download(m.be, got.B[l]), download(m.be, want.B[l]), 1e-5, 1e-5)
			}
		}
	}
}

// A solve that is done again takes the steps of the first one, which the divergence chose too.
func TestFlowsAreSolvedAgainWithTheSameSteps(t *testing.T) {
	for _, method := range []adjoint.Method{adjoint.Interpolated, adjoint.Checkpointed} {
		var tried []ode.Attempt
		m := newMoving(t, func(p *adjoint.Problem) {
			p.Forward = ode.Options{Method: "dopri5", RTol: 1e-5, ATol: 1e-5}
			p.Solver, p.Method, p.Costs = p.Forward, method, adjoint.Costs{Divergence: -1}
			p.Trace = func(a ode.Attempt) { tried = append(tried, a) }
		})
		p := m.problem(testkit.Normal(1, m.params), []float64{0}, []float64{2})
		x := m.batch(testkit.Normal(2, movingSamples*movingDims))
		end, err := adjoint.Solve(p, x, nil)
		if err != nil {
			t.Fatal(err)
		}
		first := tried
		tried = nil
		if _, err := adjoint.Differentiate(p, x, end.X, m.batch(m.c), adjoint.Want{}); err != nil {
			t.Fatal(err)
		}
		if len(first) < 3 || len(tried) < len(first) || !slices.Equal(tried[:len(first)], first) {
			t.Errorf("%s: %v, then %v", method, first, tried)
		}
	}
}
