package ode_test

import (
	"errors"
	"math"
	"testing"

	"odepipe/pkg/backend/ref"
	"odepipe/pkg/ode"
	"odepipe/pkg/testkit"
)

// linear is a field that knows the Jacobian of its system, one row after the other.
type linear struct {
	field
	jacobian func(x []float64) []float64
	at       []float64 // x of the last evaluation
	products int
}

var _ ode.Linear = (*linear)(nil)

func (f *linear) Eval(dst ode.State, t []float64, y ode.State, e ode.Evaluation) {
	f.at = append(f.at[:0], y[0].Buf.F64...)
	f.field.Eval(dst, t, y, e)
}

func (f *linear) JVP(dst, v ode.State) {
	f.products++
	size := v[0].Shape.Size()
	for n := range max(v[0].N, 1) {
		j, in, out := f.jacobian(f.at[n*size:][:size]), v[0].Buf.F64[n*size:], dst[0].Buf.F64[n*size:]
		for r := range size {
			out[r] = 0
			for c := range size {
				out[r] += j[r*size+c] * in[c]
			}
		}
	}
}

// stiffVanDerPol is the problem VDPOL of the Bari test set, with eps = 1e-6 there.
func stiffVanDerPol(eps float64) *linear {
	f := &linear{jacobian: func(x []float64) []float64 {
		return []float64{0, 1, (-2*x[0]*x[1] - 1) / eps, (1 - x[0]*x[0]) / eps}
	}}
	f.system = func(dst []float64, _ float64, x []float64) {
		dst[0], dst[1] = x[1], ((1-x[0]*x[0])*x[1]-x[0])/eps
	}
	return f
}

// robertson is the problem ROBER there.
func robertson() *linear {
	f := &linear{jacobian: func(x []float64) []float64 {
		return []float64{-0.04, 1e4 * x[2], 1e4 * x[1], 0.04, -1e4*x[2] - 6e7*x[1], -1e4 * x[1], 0, 6e7 * x[1], 0}
	}}
	f.system = func(dst []float64, _ float64, x []float64) {
		dst[0] = -0.04*x[0] + 1e4*x[1]*x[2]
		dst[2] = 3e7 * x[1] * x[1]
		dst[1] = -dst[0] - dst[2]
	}
	return f
}

// The end states are those that the test set gives.
func TestStiffProblems(t *testing.T) {
	cases := map[string]struct {
		f          *linear
		x0         []float64
		t1         float64
		rtol, atol float64
		want       []float64
		tolerance  float64 // relative
	}{
		"van der Pol": {stiffVanDerPol(1e-6), []float64{2, 0}, 2, 1e-6, 1e-6, []float64{1.706167732170483, -0.8928097010247975}, 1e-4},
		"Robertson": {robertson(), []float64{1, 0, 0}, 1e11, 1e-6, 1e-16,
			[]float64{0.2083340149701255e-07, 0.8333360770334713e-13, 0.9999999791665050}, 1e-3},
	}
	for name, c := range cases {
		for _, known := range []bool{true, false} {
			if name == "Robertson" && !known {
				continue // differences lose the second component, eight orders of magnitude below the others
			}
			be := ref.New()
			var f ode.Field = c.f
			if !known {
				f = &field{system: c.f.system}
			}
			c.f.evaluations, c.f.products = 0, 0
			end, stats, err := ode.Solve(be, ode.Problem{Field: f}, ode.State{batch(be, 1, c.x0)}, 0, c.t1, ode.Options{Method: "kvaerno5", RTol: c.rtol, ATol: c.atol, DtMin: 1e-15}, nil)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			testkit.Close(t, name, end[0].Buf.F64, c.want, 0, c.tolerance)
			if known && (stats.Evaluations != c.f.evaluations || stats.JVPs != c.f.products) || !known && stats.JVPs != 0 {
				t.Errorf("%s: got %+v, counted %d and %d", name, stats, c.f.evaluations, c.f.products)
			}
		}
	}
}

// Where stability binds the steps of an explicit method the implicit one needs far fewer evaluations, products with the
// Jacobian included.
func TestStiffMethodIsCheaperWhereItShouldBe(t *testing.T) {
	cases := map[string]struct {
		f  *linear
		x0 []float64
		t1 float64
	}{
		"van der Pol":  {stiffVanDerPol(1e-4), []float64{2, 0}, 0.5},
		"stiff linear": {stiffLinear(), []float64{1, 0.5, -1}, 200},
	}
	for name, c := range cases {
		cost := map[string]int{}
		var ends [][]float64
		for _, method := range []string{"dopri5", "kvaerno5"} {
			be := ref.New()
			end, stats, err := ode.Solve(be, ode.Problem{Field: c.f}, ode.State{batch(be, 2, c.x0)}, 0, c.t1, ode.Options{Method: method, RTol: 1e-5, ATol: 1e-5}, nil)
			if err != nil {
				t.Fatal(err)
			}
			cost[method] = stats.Evaluations + stats.JVPs
			ends = append(ends, end[0].Buf.F64)
		}
		testkit.Close(t, name, ends[1], ends[0], 1e-4, 1e-4)
		if !(4*cost["kvaerno5"] < cost["dopri5"]) {
			t.Errorf("%s: cost %v", name, cost)
		}
	}
}

func stiffLinear() *linear {
	f := &linear{jacobian: func([]float64) []float64 { return []float64{-1, 3, 0, -3, -1, 0, 1, 2, -80} }}
	f.system = systems["stiff_linear"]
	return f
}

// A step whose equations are not solved is tried again at half the size; in steps of one size it is an error.
func TestEquationsThatAreNotSolved(t *testing.T) {
	wild := func(dst []float64, _ float64, x []float64) { dst[0] = 50 * math.Sin(40*x[0]) }
	rejected := 0
	p := ode.Problem{Field: &field{system: wild}, Trace: func(a ode.Attempt) {
		if math.IsNaN(a.Ratio) && !a.Accepted {
			rejected++
		}
	}}
	y := ode.State{batch(ref.New(), 1, []float64{0.01})}
	o := ode.Options{Method: "kvaerno5", RTol: 1e-4, ATol: 1e-4, FirstStep: 1}
	end, stats, err := ode.Solve(ref.New(), p, y, 0, 1, o, nil)
	if err != nil || rejected == 0 || rejected > stats.Rejected {
		t.Fatalf("got %+v, %v, %d times not solved", stats, err, rejected)
	}
	testkit.Close(t, "f at t1, some equilibrium", []float64{math.Sin(40 * end[0].Buf.F64[0])}, []float64{0}, 1e-2, 0)
	_, _, err = ode.Solve(ref.New(), p, y, 0, 1, ode.Options{Method: "kvaerno5", RTol: 1e-4, ATol: 1e-4, Step: 1}, nil)
	var where *ode.Error
	if !errors.Is(err, ode.ErrUnsolved) || !errors.As(err, &where) || !where.Numerical() {
		t.Errorf("got %v", err)
	}
}
