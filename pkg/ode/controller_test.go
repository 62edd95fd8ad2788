package ode_test

import (
	"errors"
	"math"
	"testing"

	"odepipe/pkg/backend/ref"
	"odepipe/pkg/ode"
	"odepipe/pkg/testkit"
)

// Every controller solves to the tolerance, at a cost like that of the default.
func TestControllers(t *testing.T) {
	var golden struct {
		Problems map[string]struct {
			X1 []float64 `json:"x_t1"`
		}
	}
	testkit.Golden(t, "ode_table", &golden)
	_, usual := solveSystem(t, "van_der_pol", []float64{2, 0}, 0, 10, ode.Options{RTol: 1e-8, ATol: 1e-8}, nil)
	for _, name := range ode.Controllers {
		o := ode.Options{RTol: 1e-8, ATol: 1e-8, Controller: name}
		got, stats := solveSystem(t, "van_der_pol", []float64{2, 0}, 0, 10, o, nil)
		testkit.Close(t, name, got, golden.Problems["van_der_pol"].X1, 2e-6, 0)
		if !(float64(stats.Evaluations) < 1.25*float64(usual.Evaluations)) {
			t.Errorf("%s: %d evaluations, the default %d", name, stats.Evaluations, usual.Evaluations)
		}
		if name != "i" && stats == usual {
			t.Errorf("%s: same steps as the default", name)
		}
	}
}

// PI control was made for steps at the border of stability, where I control rejects again and again.
func TestGustafssonsControllerRejectsLessWhereStabilityBindsTheStep(t *testing.T) {
	rejected := map[string]int{}
	for _, name := range ode.Controllers {
		_, stats := solveSystem(t, "stiff_linear", []float64{1, 0.5, -1}, 0, 20, ode.Options{RTol: 1e-4, ATol: 1e-4, Controller: name}, nil)
		rejected[name] = stats.Rejected
	}
	if !(2*rejected["pi"] < rejected["i"]) {
		t.Errorf("rejected steps %v", rejected)
	}
}

// The sizes of the steps are those of the formula, from the errors and sizes before; its exponents are the literature's.
func TestSizesFollowTheController(t *testing.T) {
	exponents := map[string][3]float64{"i": {1, 0, 0}, "pi": {0.7, -0.4, 0}, "pid": {1. / 18, 1. / 9, 1. / 18}}
	for _, name := range ode.Controllers {
		t.Run(name, func(t *testing.T) {
			beta, known := exponents[name]
			if !known {
				t.Fatal("no exponents")
			}
			var want float64
			past, rejections, falls := [2]float64{1, 1}, 0, 0
			p := ode.Problem{Field: &field{system: systems["van_der_pol"]}, Trace: func(a ode.Attempt) {
				if want > 0 {
					testkit.Close(t, "size", []float64{a.H}, []float64{want}, 0, 1e-12)
				}
				g := min(10, 0.9/math.Pow(a.Ratio, 1./5))
				factor := math.Pow(g, beta[0]) * math.Pow(past[0], beta[1]) * math.Pow(past[1], beta[2])
				switch {
				case !a.Accepted:
					rejections++
					past = [2]float64{1, 1}
					want = a.H * max(g, 0.2)
					return
				case name == "i":
					want = a.H * max(1, factor)
				default:
					want = a.H * max(0.2, min(10, factor))
					if factor < 1 {
						falls++
					}
				}
				past = [2]float64{g, past[0]}
			}}
			_, _, err := ode.Solve(ref.New(), p, ode.State{batch(ref.New(), 1, []float64{2, 0})}, 0, 20, ode.Options{RTol: 1e-4, ATol: 1e-4, Controller: name}, nil)
			if err != nil || rejections < 2 || name != "i" && falls == 0 {
				t.Errorf("%v; %d rejections and %d smaller steps are too few for this test", err, rejections, falls)
			}
		})
	}
}

func TestLargestStep(t *testing.T) {
	problem := ode.Problem{Field: &field{system: systems["zero"]}}
	problem.Trace = func(a ode.Attempt) {
		if !(a.H <= 0.1) {
			t.Errorf("a step of size %v", a.H)
		}
	}
	_, stats, err := ode.Solve(ref.New(), problem, ode.State{batch(ref.New(), 1, []float64{1})}, 0, 1, ode.Options{RTol: 1e-3, DtMax: 0.1, FirstStep: 0.5}, nil)
	if err != nil || stats.Steps < 10 || stats.Steps > 11 {
		t.Errorf("got %+v, %v", stats, err)
	}
}

// The trace tells the same story as the statistics, and the steps join.
func TestTrace(t *testing.T) {
	cases := map[string]ode.Options{
		"steps of chosen size": {RTol: 1e-4, ATol: 1e-4},
		"steps of one size":    {Method: "rk4", Step: 0.25},
	}
	for name, o := range cases {
		t.Run(name, func(t *testing.T) {
			f := &field{system: systems["van_der_pol"]}
			var tried []ode.Attempt
			p := ode.Problem{Field: f, Trace: func(a ode.Attempt) {
				if a.Evaluations != f.evaluations {
					t.Errorf("%d evaluations, want %d", a.Evaluations, f.evaluations)
				}
				tried = append(tried, a)
			}}
			_, stats, err := ode.Solve(ref.New(), p, ode.State{batch(ref.New(), 1, []float64{2, 0})}, 10, 0, o, nil)
			if err != nil {
				t.Fatal(err)
			}
			at, accepted := 10.0, 0
			for _, a := range tried {
				if a.Accepted != (a.Samples == 1) || a.T != at || !(a.H < 0) || a.Accepted != (a.Ratio <= 1 || math.IsNaN(a.Ratio)) {
					t.Fatalf("got %+v at t=%v", a, at)
				}
				if a.Accepted {
					at += a.H
					accepted++
				}
			}
			if accepted != stats.Steps || len(tried)-accepted != stats.Rejected || at > 0 {
				t.Errorf("%d of %d steps accepted, want %+v", accepted, len(tried), stats)
			}
		})
	}
}

func TestUnknownController(t *testing.T) {
	_, _, err := ode.Solve(ref.New(), ode.Problem{Field: &field{}}, ode.State{batch(ref.New(), 1, []float64{1})}, 0, 1, ode.Options{RTol: 1, Controller: "p"}, nil)
	if !errors.Is(err, ode.ErrOptions) {
		t.Errorf("got %v", err)
	}
}
