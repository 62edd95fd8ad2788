package ode_test

import (
	"fmt"
	"math"
	"testing"

	"odepipe/pkg/backend/ref"
	"odepipe/pkg/ode"
)

// watched is a field that tells of its evaluations.
type watched struct {
	ode.Field
	see func(t []float64, y ode.State, e ode.Evaluation)
}

func (f watched) Eval(dst ode.State, t []float64, y ode.State, e ode.Evaluation) {
	f.see(t, y, e)
	f.Field.Eval(dst, t, y, e)
}

// Every evaluation of an explicit method says which slope it is: each of them once a step, except that one which serves
// two steps is the last of the first.
func TestStagesAreNumbered(t *testing.T) {
	for _, m := range tableaux() {
		if m.Tableau.Gamma != 0 {
			continue
		}
		for _, observed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s observed %t", m.Name, observed), func(t *testing.T) {
				var got, want []int
				f := watched{&field{system: systems["forced"]}, func(_ []float64, _ ode.State, e ode.Evaluation) { got = append(got, e.Stage) }}
				var observe func(*ode.Dense)
				if observed {
					observe = func(*ode.Dense) {}
				}
				y := ode.State{batch(ref.New(), 1, []float64{1})}
				if _, _, err := ode.Solve(ref.New(), ode.Problem{Field: f}, y, 0, 1, ode.Options{Method: m.Name, Step: 0.5}, observe); err != nil {
					t.Fatal(err)
				}
				stages, slopes := len(m.Tableau.C), m.Tableau.Slopes()
				for step := range 2 {
					for i := range slopes {
						if i == 0 && step > 0 && (observed || slopes == stages) || i == stages && !observed {
							continue
						}
						want = append(want, i)
					}
				}
				if fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("got %v, want %v", got, want)
				}
			})
		}
	}
}

func TestTheTrialForTheFirstStepIsNoStage(t *testing.T) {
	var got []int
	f := watched{&field{system: systems["zero"]}, func(_ []float64, _ ode.State, e ode.Evaluation) { got = append(got, e.Stage) }}
	y := ode.State{batch(ref.New(), 1, []float64{1})}
	if _, _, err := ode.Solve(ref.New(), ode.Problem{Field: f}, y, 0, 1e-6, ode.Options{RTol: 1e-3}, nil); err != nil {
		t.Fatal(err)
	}
	if want := "[0 -1 1 2 3 4 5 6]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

// The weights Q integrate a function of the solution from the evaluations that a solve makes anyway, to their order.
func TestQuadratureAtTheStages(t *testing.T) {
	const t1 = 1.5
	want := t1/(2*(1+t1*t1)) + math.Atan(t1)/2 // of x^2, x = 1 / (1 + t^2)
	for _, m := range tableaux() {
		t.Run(m.Name, func(t *testing.T) {
			var logSteps, logErrors []float64
			for n := 20; n <= 160; n *= 2 {
				h, integral := t1/float64(n), 0.0
				q := m.Tableau.Q
				f := watched{&field{system: systems["rational"]}, func(at []float64, y ode.State, e ode.Evaluation) {
					if e.Stage < 0 {
						return
					}
					weight := q[e.Stage]
					if last := len(m.Tableau.C) - 1; e.Stage == last && len(q) == len(m.Tableau.C) && at[0] < t1-h/2 {
						weight += q[0] // it is the first of the next step too
					}
					integral += h * weight * y[0].Buf.F64[0] * y[0].Buf.F64[0]
				}}
				y := ode.State{batch(ref.New(), 1, []float64{1}), batch(ref.New(), 1, []float64{0})}
				if _, _, err := ode.Solve(ref.New(), ode.Problem{Field: f, Quadrature: 1}, y, 0, t1, steps(m, h), nil); err != nil {
					t.Fatal(err)
				}
				logSteps = append(logSteps, math.Log(float64(n)))
				logErrors = append(logErrors, math.Log(math.Abs(integral-want)))
			}
			if order := -slope(logSteps, logErrors); !(order >= float64(m.Tableau.QOrder)-0.1) {
				t.Errorf("fitted order %.3f, want %d: logarithms of the errors %.2f", order, m.Tableau.QOrder, logErrors)
			}
		})
	}
}
