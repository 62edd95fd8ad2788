package ode_test

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"odepipe/pkg/backend/ref"
	"odepipe/pkg/ode"
	"odepipe/pkg/tensor"
	"odepipe/pkg/testkit"
)

// apart is van der Pol's equation with two integrals along the path: u of each sample, v over all of them.
//
//	x batch [2];   u batch [], u' = |x|^2;   v plain [], v' = sum over the samples of t x_0^2
type apart struct {
	field
	accumulated int
}

var _ ode.Accumulator = (*apart)(nil)

func (f *apart) Eval(dst ode.State, t []float64, y ode.State, e ode.Evaluation) {
	f.field.Eval(dst[:1], t, y, e)
	for n := range y[0].N {
		a, b := y[0].Buf.F64[2*n], y[0].Buf.F64[2*n+1]
		dst[1].Buf.F64[n] = a*a + b*b
	}
	if len(t) == y[0].N && dst[2].Buf.F64 == nil {
		return // control sample
	}
	dst[2].Buf.F64[0] = 0
	for n := range y[0].N {
		a := y[0].Buf.F64[2*n]
		dst[2].Buf.F64[0] += t[0] * a * a
	}
}

func (f *apart) Accumulate(q ode.State, t []float64, y ode.State, weight []float64) {
	f.accumulated++
	for n, w := range weight {
		a := y[0].Buf.F64[2*n]
		q[0].Buf.F64[0] += w * t[n] * a * a
	}
}

// state is a batch of starting points with its integrals at 0 and at v0.
func (*apart) state(be *ref.Backend, x [][2]float64, v0 float64) ode.State {
	y := ode.State{be.Batch(len(x), tensor.Of(2)), be.Batch(len(x), tensor.Of()), be.Plain(tensor.Of())}
	for n, p := range x {
		copy(y[0].Buf.F64[2*n:], p[:])
		y[1].Buf.F64[n] = 0
	}
	y[2].Buf.F64[0] = v0
	return y
}

var startingPoints = [][2]float64{{2, 0}, {0.1, 0.1}, {-2, 1}, {0, 0}, {1, -2}}

// Every sample is solved as if it were alone, and the whole takes as many evaluations as the slowest of them.
func TestSamplesWithStepsOfTheirOwn(t *testing.T) {
	for _, m := range tableaux() {
		if !m.Adaptive() || m.Tableau.Gamma != 0 {
			continue
		}
		for _, span := range [][2]float64{{0, 3}, {1, 0.3}} {
			for _, controller := range ode.Controllers {
				t.Run(fmt.Sprintf("%s from %g to %g by %s", m.Name, span[0], span[1], controller), func(t *testing.T) {
					be := ref.New()
					o := ode.Options{Method: m.Name, RTol: 1e-5, ATol: 1e-5, Controller: controller}
					var want, wantU []float64
					wantV, slowest, steps := 7.0, ode.Stats{}, map[int]bool{}
					norm := ode.First(2) // v has no error of a sample
					for _, x := range startingPoints {
						f := &apart{field: field{system: systems["van_der_pol"]}}
						end, stats, err := ode.Solve(be, ode.Problem{Field: f, Quadrature: 2, Norm: norm}, f.state(be, [][2]float64{x}, 0), span[0], span[1], o, nil)
						if err != nil {
							t.Fatal(err)
						}
						want, wantU = append(want, end[0].Buf.F64...), append(wantU, end[1].Buf.F64...)
						wantV += end[2].Buf.F64[0]
						steps[stats.Steps] = true
						if stats.Evaluations > slowest.Evaluations {
							slowest = stats
						}
					}
					if len(steps) < 3 {
						t.Fatalf("steps of the samples alone %v are too alike for this test", steps)
					}
					o.Control = "sample"
					f := &apart{field: field{system: systems["van_der_pol"]}}
					end, stats, err := ode.Solve(be, ode.Problem{Field: f, Quadrature: 2, Norm: norm}, f.state(be, startingPoints, 7), span[0], span[1], o, nil)
					if err != nil {
						t.Fatal(err)
					}
					tolerance, toleranceV := 1e-10, 1e-9
					if m.Order > 5 {
						tolerance, toleranceV = 1e-7, 1e-6 // its error estimate is near the rounding
					}
					if m.Tableau.Carry {
						toleranceV = 1e-3 // v is added up where the solution is, not where the slope was carried from
					}
					testkit.Close(t, "x", end[0].Buf.F64, want, tolerance, tolerance)
					testkit.Close(t, "u", end[1].Buf.F64, wantU, tolerance, tolerance)
					testkit.Close(t, "v", end[2].Buf.F64, []float64{wantV}, toleranceV, tolerance)
					if stats.Evaluations != slowest.Evaluations || stats.Evaluations != f.evaluations || f.accumulated == 0 {
						t.Errorf("got %+v, counted %d, the slowest alone %+v", stats, f.evaluations, slowest)
					}
				})
			}
		}
	}
}

// A trial that is not finite in one sample spoils nothing of the others, nor the sums.
func TestATrialOfOneSampleThatIsNotFinite(t *testing.T) {
	f := &apart{field: field{system: func(dst []float64, t float64, x []float64) {
		dst[0], dst[1] = -1/math.Sqrt(x[1]-t), 0 // x_0 = 2 sqrt(x_1 - t) + constant
	}}}
	be := ref.New()
	o := ode.Options{RTol: 1e-7, ATol: 1e-7, FirstStep: 3, DtMax: 3}
	solve := func(o ode.Options, x ...[2]float64) (ode.State, ode.Stats) {
		end, stats, err := ode.Solve(be, ode.Problem{Field: f, Quadrature: 2, Norm: ode.First(2)}, f.state(be, x, 0), 0, 1, o, nil)
		if err != nil {
			t.Fatal(err)
		}
		return end, stats
	}
	near, stats := solve(o, [2]float64{0, 1.1})
	far, _ := solve(o, [2]float64{0, 1000})
	if stats.Rejected == 0 {
		t.Fatal("no trial was refused")
	}
	o.Control = "sample"
	both, _ := solve(o, [2]float64{0, 1.1}, [2]float64{0, 1000})
	testkit.Close(t, "x", both[0].Buf.F64, append(near[0].Buf.F64, far[0].Buf.F64...), 1e-10, 1e-10)
	testkit.Close(t, "v", both[2].Buf.F64, []float64{near[2].Buf.F64[0] + far[2].Buf.F64[0]}, 1e-9, 0)
}

// A first step of given size and a largest one are for all samples, and the trace counts the samples that moved.
func TestTraceOfSamples(t *testing.T) {
	f := &apart{field: field{system: systems["van_der_pol"]}}
	be := ref.New()
	moved, steps, at := 0, 0, 0.0
	p := ode.Problem{Field: f, Quadrature: 2, Norm: ode.First(1), Trace: func(a ode.Attempt) {
		if !(a.H <= 0.2) || a.T < at || a.Accepted != (a.Samples > 0) || a.Evaluations != f.evaluations || steps == 0 && a.H != 0.01 {
			t.Errorf("got %+v after t=%v", a, at)
		}
		at = a.T
		moved += a.Samples
		steps++
	}}
	o := ode.Options{RTol: 1e-4, ATol: 1e-4, FirstStep: 0.01, DtMax: 0.2, Control: "sample"}
	_, stats, err := ode.Solve(be, p, f.state(be, startingPoints, 0), 0, 2, o, nil)
	if err != nil || steps != stats.Steps+stats.Rejected || moved <= stats.Steps || moved > len(startingPoints)*stats.Steps {
		t.Errorf("%d attempts, %d moves, got %+v, %v", steps, moved, stats, err)
	}
}

// The error says which sample failed, and where it was then.
func TestFailureOfOneSample(t *testing.T) {
	explode := func(dst []float64, _ float64, x []float64) { dst[0] = x[0] * x[0] } // infinite at t = 1/x0
	undefined := func(dst []float64, t float64, x []float64) { dst[0] = math.Sqrt(math.Ceil(x[0]) - 0.5 - t) }
	cases := map[string]struct {
		f      func(dst []float64, t float64, x []float64)
		x0     []float64
		o      ode.Options
		err    error
		sample int
	}{
		"a state that is not finite":       {explode, []float64{1, 1, math.NaN()}, ode.Options{RTol: 1e-6}, ode.ErrNonFinite, 2},
		"a slope that is not finite":       {explode, []float64{1, 1e200, 1}, ode.Options{RTol: 1e-6}, ode.ErrNonFinite, 1},
		"an infinity at a time inside":     {explode, []float64{0.1, 0.2, 2}, ode.Options{RTol: 1e-6}, nil, 2},
		"a least step":                     {explode, []float64{2, 0.2, 0.1}, ode.Options{RTol: 1e-6, DtMin: 1e-3}, ode.ErrStepUnderflow, 0},
		"too many steps":                   {explode, []float64{0.1, 0.2, 0.1}, ode.Options{RTol: 1e-6, MaxSteps: 3}, ode.ErrTooManySteps, 0},
		"a field undefined from a time on": {undefined, []float64{9, 0.1, 9}, ode.Options{RTol: 1e-6}, ode.ErrNonFinite, 1},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			be := ref.New()
			y := be.Batch(len(c.x0), tensor.Of(1))
			copy(y.Buf.F64, c.x0)
			c.o.Control, c.o.ATol = "sample", c.o.RTol
			_, stats, err := ode.Solve(be, ode.Problem{Field: &field{system: c.f}, Block: "ode"}, ode.State{y}, 0, 1, c.o, nil)
			var where *ode.Error
			if !errors.As(err, &where) || c.err != nil && !errors.Is(err, c.err) || !where.Numerical() {
				t.Fatalf("got %v", err)
			}
			if where.Sample != c.sample || where.Block != "ode" || where.Step != stats.Steps+stats.Rejected+1 || !(where.T >= 0 && where.T < 1) {
				t.Errorf("got %+v with %+v", where, stats)
			}
		})
	}
}

func TestSolvesWhoseSamplesCannotBeSeparated(t *testing.T) {
	be := ref.New()
	sample := ode.Options{RTol: 1e-3, Control: "sample"}
	plain, x := be.Plain(tensor.Of(1)), batch(be, 2, []float64{1, 2})
	cases := map[string]struct {
		y          ode.State
		quadrature int
		o          ode.Options
		observe    func(*ode.Dense)
	}{
		"no batch":                          {ode.State{plain}, 0, sample, nil},
		"an active part without samples":    {ode.State{x, plain}, 0, sample, nil},
		"a sum whose field does not add up": {ode.State{x, plain}, 1, sample, nil},
		"an observer":                       {ode.State{x}, 0, sample, func(*ode.Dense) {}},
		"steps of one size":                 {ode.State{x}, 0, ode.Options{Method: "rk4", Control: "sample"}, nil},
		"a method that solves equations":    {ode.State{x}, 0, ode.Options{Method: "kvaerno5", RTol: 1e-3, Control: "sample"}, nil},
		"an unknown control":                {ode.State{x}, 0, ode.Options{RTol: 1e-3, Control: "samples"}, nil},
	}
	for name, c := range cases {
		f := &field{system: systems["van_der_pol"]}
		_, _, err := ode.Solve(be, ode.Problem{Field: f, Quadrature: c.quadrature}, c.y, 0, 1, c.o, c.observe)
		if !errors.Is(err, ode.ErrOptions) || f.evaluations != 0 {
			t.Errorf("%s: got %v after %d evaluations", name, err, f.evaluations)
		}
	}
}

// Attempts allocate nothing.
func TestMemoryOfSamples(t *testing.T) {
	be := ref.New()
	f := &apart{field: field{system: systems["van_der_pol"]}}
	y := f.state(be, startingPoints, 0)
	solveFor := func(t1 float64) func() {
		return func() {
			mark := be.Mark()
			o := ode.Options{RTol: 1e-6, ATol: 1e-6, Control: "sample"}
			if _, _, err := ode.Solve(be, ode.Problem{Field: f, Quadrature: 2, Norm: ode.First(2)}, y, 0, t1, o, nil); err != nil {
				t.Fatal(err)
			}
			be.Release(mark)
		}
	}
	short, long := testing.AllocsPerRun(5, solveFor(0.5)), testing.AllocsPerRun(5, solveFor(20))
	if short != long {
		t.Errorf("%v allocations for a short solve, %v for a long one", short, long)
	}
}
