package adjoint_test

import (
	"fmt"
	"slices"
	"testing"

	"odepipe/pkg/adjoint"
	"odepipe/pkg/backend/ref"
	"odepipe/pkg/nn"
	"odepipe/pkg/ode"
	"odepipe/pkg/tensor"
	"odepipe/pkg/testkit"
)

// moving is a block whose field depends on t, with a loss that is linear in x(t1), as a function of everything that it
// can be differentiated by.
type moving struct {
	be     *ref.Backend
	chain  *nn.Chain
	params int
	make   func(p *adjoint.Problem) // settings of the problem in hand
	probes int
	c      []float64 // loss sum_n <c_n, x_n(t1)> + costs
}

const movingSamples, movingDims = 3, 2

func newMoving(t *testing.T, settings func(p *adjoint.Problem)) *moving {
	chain, err := nn.NewChain([]nn.Spec{{Type: "linear", Name: "a", In: 2, Out: 4, Time: true}, {Type: "tanh"}, {Type: "linear", Name: "b", In: 4, Out: 2}}, tensor.Of(movingDims))
	if err != nil {
		t.Fatal(err)
	}
	m := &moving{be: ref.New(), chain: chain, make: settings, probes: 1, c: testkit.Normal(3, movingSamples*movingDims)}
	for _, p := range chain.Params() {
		m.params += p.Shape.Size()
	}
	return m
}

func (m *moving) batch(host []float64) tensor.T {
	b := m.be.Batch(movingSamples, tensor.Of(movingDims))
	m.be.Upload(b, tensor.Buffer{F64: host})
	return b
}

// problem has parameters theta and, of each sample or of all, the interval [t0, t1].
func (m *moving) problem(theta, t0, t1 []float64) *adjoint.Problem {
	var values []tensor.T
	for _, p := range m.chain.Params() {
		v := m.be.Plain(p.Shape)
		m.be.Upload(v, tensor.Buffer{F64: theta[:v.Size()]})
		theta = theta[v.Size():]
		values = append(values, v)
	}
	bound := m.chain.Bind(m.be, movingSamples, values)
	bound.AllowVJP()
	bound.AllowProbes(m.probes)
	p := &adjoint.Problem{Backend: m.be, Field: bound, Params: m.chain.Params(), Block: "ode", T0: t0[0], T1: t1[0]}
	if len(t0) > 1 {
		p.Span = &adjoint.Span{T0: slices.Clone(t0), T1: slices.Clone(t1)}
	}
	m.make(p)
	if p.Costs.Jacobian != 0 || p.Costs.Divergence != 0 {
		for i := range m.probes {
			p.Costs.Probes = append(p.Costs.Probes, m.batch(testkit.Normal(uint64(9+i), movingSamples*movingDims)))
		}
	}
	p.Costs.Measure = p.Costs.Kinetic != 0 || p.Costs.Jacobian != 0 || p.Costs.Divergence != 0
	return p
}

func (m *moving) loss(t *testing.T, theta, x0, t0, t1 []float64) float64 {
	mark := m.be.Mark()
	defer m.be.Release(mark)
	p := m.problem(theta, t0, t1)
	end, err := adjoint.Solve(p, m.batch(x0), nil)
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for i, x := range download(m.be, end.X) {
		sum += m.c[i] * x
	}
	for _, v := range end.Kinetic {
		sum += p.Costs.Kinetic * v
	}
	for _, v := range end.Jacobian {
		sum += p.Costs.Jacobian * v
	}
	for _, v := range end.Divergence {
		sum += p.Costs.Divergence * v
	}
	return sum
}

// check compares all derivatives with central differences.
func (m *moving) check(t *testing.T, t0, t1 []float64, tolerance, ends float64) {
	t.Helper()
	theta, x0 := testkit.Normal(1, m.params), testkit.Normal(2, movingSamples*movingDims)
	p := m.problem(theta, t0, t1)
	x := m.batch(x0)
	end, err := adjoint.Solve(p, x, nil)
	if err != nil {
		t.Fatal(err)
	}
	g, err := adjoint.Differentiate(p, x, end.X, m.batch(m.c), adjoint.Want{})
	if err != nil {
		t.Fatal(err)
	}
	var dtheta []float64
	for _, d := range g.Params {
		dtheta = append(dtheta, download(m.be, d)...)
	}
	testkit.Close(t, "dL/dtheta", dtheta, testkit.Gradient(func(v []float64) float64 { return m.loss(t, v, x0, t0, t1) }, theta), tolerance, tolerance)
	testkit.Close(t, "dL/dx0", download(m.be, g.Dx0), testkit.Gradient(func(v []float64) float64 { return m.loss(t, theta, v, t0, t1) }, x0), tolerance, tolerance)
	testkit.Close(t, "dL/dt0", g.Dt0, testkit.Gradient(func(v []float64) float64 { return m.loss(t, theta, x0, v, t1) }, t0), ends, ends)
	testkit.Close(t, "dL/dt1", g.Dt1, testkit.Gradient(func(v []float64) float64 { return m.loss(t, theta, x0, t0, v) }, t1), ends, ends)
}

// fine solves so well that all methods agree.
func fine(p *adjoint.Problem) {
	p.Forward = ode.Options{Method: "dopri5", RTol: 1e-10, ATol: 1e-10}
	p.Solver = p.Forward
}

func TestDerivativesByEverythingAgreeWithDifferences(t *testing.T) {
	costs := []adjoint.Costs{{}, {Kinetic: 0.3}, {Jacobian: 0.2}, {Divergence: -0.4}, {Divergence: 0.5, Kinetic: 0.1, Jacobian: 0.4}}
	intervals := map[string][2][]float64{
		"one interval":             {{0.2}, {1.1}},
		"one interval, backwards":  {{1}, {0.3}},
		"intervals of the samples": {{0, 0.3, 1}, {1, 0.9, 0.2}},
	}
	for name, interval := range intervals {
		for i, cost := range costs {
			if name != "one interval" && i%4 != 0 {
				continue // neither without costs nor with all of them
			}
			for _, method := range adjoint.Methods {
				for probes := 1; probes == 1 || probes == 2 && (cost.Divergence != 0 || cost.Jacobian != 0); probes++ {
					t.Run(fmt.Sprintf("%s, %v, %s, %d probes", name, cost, method, probes), func(t *testing.T) {
						m := newMoving(t, func(p *adjoint.Problem) {
							fine(p)
							p.Method, p.Costs = method, cost
						})
						m.probes = probes
						m.check(t, interval[0], interval[1], 1e-6, 1e-6)
					})
				}
			}
		}
	}
}

func TestStepsOfTheSamplesOwnYieldTheSameDerivatives(t *testing.T) {
	for _, cost := range []adjoint.Costs{{}, {Kinetic: 0.3}, {Jacobian: 0.2}} {
		for _, interval := range [][2][]float64{{{0.2}, {1.1}}, {{0, 0.3, 1}, {1, 0.9, 0.2}}} {
			m := newMoving(t, func(p *adjoint.Problem) {
				fine(p)
				p.Costs = cost
				p.Solver.Control, p.Forward.Control = ode.BySample, ode.BySample
			})
			m.check(t, interval[0], interval[1], 1e-6, 1e-6)
		}
	}
}

func TestImplicitMethodsYieldTheSameDerivatives(t *testing.T) {
	for _, method := range []adjoint.Method{adjoint.Backsolve, adjoint.Interpolated} {
		for _, cost := range []adjoint.Costs{{}, {Kinetic: 0.3}} {
			for _, interval := range [][2][]float64{{{0.2}, {1.1}}, {{0, 0.3, 1}, {1, 0.9, 0.2}}} {
				m := newMoving(t, func(p *adjoint.Problem) {
					p.Forward = ode.Options{Method: "kvaerno5", RTol: 1e-8, ATol: 1e-8}
					p.Solver, p.Method, p.Costs = p.Forward, method, cost
				})
				m.check(t, interval[0], interval[1], 1e-5, 1e-5)
			}
		}
	}
}

// A checkpointed gradient is exact however coarse the solve; steps are of sizes that do not depend on the numbers, for
// else differences see the change of the sizes.
func TestCheckpointedGradientsAreThoseOfTheCoarseSolve(t *testing.T) {
	for _, scheme := range ode.Methods {
		if !adjoint.Differentiable(scheme) {
			continue
		}
		settings := map[string]ode.Options{"steps of one size": {Method: scheme.Name, Step: 0.4}}
		if scheme.Adaptive() {
			settings["a last step that passes t1"] = ode.Options{Method: scheme.Name, RTol: 1e9, ATol: 1e9, FirstStep: 0.25}
		}
		for name, o := range settings {
			for _, cost := range []adjoint.Costs{{}, {Kinetic: 0.1, Jacobian: 0.4}} {
				for _, memory := range []int{0, 1, 2, 7} {
					t.Run(fmt.Sprintf("%s, %s, %v, memory %d", scheme.Name, name, cost, memory), func(t *testing.T) {
						m := newMoving(t, func(p *adjoint.Problem) {
							p.Forward, p.Method, p.Costs, p.Memory = o, adjoint.Checkpointed, cost, memory
						})
						m.check(t, []float64{0}, []float64{1.9}, 1e-7, 20) // the ends' derivatives are those of the continuous problem
					})
				}
			}
		}
	}
}

// Revolve's bound: with room for s states, 20 <= (s+r choose s) steps are computed again at most r times each.
func TestBinomialCheckpointingChangesNothing(t *testing.T) {
	const steps, stages = 20, 4
	repeats := map[int]int{1: 19, 2: 5, 3: 3, 5: 2, 8: 2}
	var want []float64
	for memory := range 9 {
		m := newMoving(t, func(p *adjoint.Problem) {
			p.Forward, p.Method, p.Memory = ode.Options{Method: "rk4", Step: 1. / steps}, adjoint.Checkpointed, memory
		})
		x := m.batch(testkit.Normal(2, movingSamples*movingDims))
		p := m.problem(testkit.Normal(1, m.params), []float64{0}, []float64{1})
		g, err := adjoint.Differentiate(p, x, tensor.T{}, m.batch(m.c), adjoint.Want{})
		if err != nil {
			t.Fatal(err)
		}
		var got []float64
		for _, d := range g.Params {
			got = append(got, download(m.be, d)...)
		}
		if want == nil {
			want = got
		}
		if !slices.Equal(got, want) {
			t.Errorf("with room for %d states the gradient of %d steps differs", memory, steps)
		}
		once := steps*stages + 1 + 2*steps*stages + 2 // forwards, backwards, at both ends
		if r, known := repeats[memory]; known && g.Stats.Evaluations > once+r*steps*stages {
			t.Errorf("with room for %d states %d steps take %d evaluations, more than %d", memory, steps, g.Stats.Evaluations, once+r*steps*stages)
		}
	}
}
