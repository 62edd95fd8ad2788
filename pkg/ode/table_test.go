package ode_test

import (
	"errors"
	"math"
	"testing"

	"odepipe/pkg/backend/ref"
	"odepipe/pkg/ode"
	"odepipe/pkg/testkit"
)

func TestTableauxAreConsistent(t *testing.T) {
	for _, m := range ode.Methods {
		t.Run(m.Name, func(t *testing.T) {
			stages := len(m.C)
			if len(m.A) != stages || len(m.B) != stages || m.E != nil && len(m.E) != stages || m.Mid != nil && len(m.Mid) != stages {
				t.Fatal("rows of different lengths")
			}
			for i, row := range m.A {
				if len(row) != i {
					t.Errorf("row %d of A has %d entries", i, len(row))
				}
				testkit.Close(t, "row sum of A", []float64{sum(row)}, []float64{m.C[i]}, 2e-15, 0) // entries up to 12 cancel
			}
			testkit.Close(t, "sum of B", []float64{sum(m.B)}, []float64{1}, 1e-15, 0)
			testkit.Close(t, "sum of E", []float64{sum(m.E)}, []float64{0}, 1e-15, 0)
			if m.Mid != nil {
				testkit.Close(t, "sum of Mid", []float64{sum(m.Mid)}, []float64{0.5}, 1e-15, 0)
			}
		})
	}
}

func TestMethodFindsEveryNameAndTheDefault(t *testing.T) {
	for _, m := range ode.Methods {
		if found, err := ode.Method(m.Name); err != nil || found.Name != m.Name {
			t.Errorf("%s: got %q, %v", m.Name, found.Name, err)
		}
	}
	if m, err := ode.Method(""); err != nil || m.Name != "dopri5" {
		t.Errorf("default: got %q, %v", m.Name, err)
	}
	if _, err := ode.Method("dopri6"); !errors.Is(err, ode.ErrOptions) {
		t.Errorf("unknown name: got %v", err)
	}
}

// The largest error at the ends of steps, and inside them, falls with the size of the steps as the order says.
func TestOrderOfConvergence(t *testing.T) {
	exact := func(t float64) float64 { return 1 / (1 + t*t) }
	for _, m := range ode.Methods {
		t.Run(m.Name, func(t *testing.T) {
			least := 40
			if m.Order == 1 {
				least = 1000 // the higher orders of its error fall slowly
			}
			var logSteps, logEnd, logDense []float64
			for n := least; n <= 8*least; n *= 2 {
				worstEnd, worstDense := 0.0, 0.0
				at := ode.State{batch(ref.New(), 1, []float64{0})}
				o := ode.Options{Method: m.Name, Step: 1.5 / float64(n)}
				_, stats := solveSystem(t, "rational", []float64{1}, 0, 1.5, o, func(d *ode.Dense) {
					for i := 1; i <= 4; i++ {
						t := d.From + float64(i)/4*(d.To-d.From)
						d.At(at, t)
						worstDense = max(worstDense, math.Abs(at[0].Buf.F64[0]-exact(t)))
					}
					worstEnd = max(worstEnd, math.Abs(at[0].Buf.F64[0]-exact(d.To)))
				})
				if stats.Steps != n {
					t.Fatalf("got %d steps, want %d", stats.Steps, n)
				}
				logSteps = append(logSteps, math.Log(float64(n)))
				logEnd = append(logEnd, math.Log(worstEnd))
				logDense = append(logDense, math.Log(worstDense))
			}
			order := -slope(logSteps, logEnd)
			t.Log(order, slope(logSteps, logDense), logEnd)
			if !(math.Abs(order-float64(m.Order)) <= 0.1) {
				t.Errorf("fitted order %.3f, want %d", order, m.Order)
			}
			if order := -slope(logSteps, logDense); !(order >= min(4, float64(m.Order))-0.1) {
				t.Errorf("fitted order of the dense output %.3f, want at least %d", order, min(4, m.Order))
			}
		})
	}
}

// The dense output passes through both ends with the slopes of f, and through the end of the step before.
func TestDenseOutputAtTheEndsOfSteps(t *testing.T) {
	be := ref.New()
	slopeOf := make([]float64, 2)
	for _, m := range ode.Methods {
		t.Run(m.Name, func(t *testing.T) {
			o := ode.Options{Method: m.Name, Step: 0.25}
			at, next := batch(be, 1, []float64{2, 0}), batch(be, 1, []float64{0, 0})
			before := []float64{2, 0}
			solveSystem(t, "van_der_pol", before, 0, 2, o, func(d *ode.Dense) {
				d.At(ode.State{at}, d.From)
				testkit.Close(t, "value at From", at.Buf.F64, before, 1e-14, 0)
				d.At(ode.State{at}, d.To)
				before = append([]float64(nil), at.Buf.F64...)
				for _, end := range []float64{d.From, d.To} {
					d.At(ode.State{at}, end)
					systems["van_der_pol"](slopeOf, end, at.Buf.F64)
					for i := range slopeOf {
						got := derivative(func(t float64) float64 {
							d.At(ode.State{next}, t)
							return next.Buf.F64[i]
						}, end)
						testkit.Close(t, "slope", []float64{got}, slopeOf[i:i+1], 1e-7, 1e-7)
					}
				}
			})
		})
	}
}

func derivative(f func(float64) float64, t float64) float64 {
	return testkit.Gradient(func(x []float64) float64 { return f(x[0]) }, []float64{t})[0]
}

func sum(x []float64) float64 {
	total := 0.0
	for _, v := range x {
		total += v
	}
	return total
}

// slope is that of the least-squares line.
func slope(x, y []float64) float64 {
	n, sx, sy, sxx, sxy := float64(len(x)), 0.0, 0.0, 0.0, 0.0
	for i := range x {
		sx, sy, sxx, sxy = sx+x[i], sy+y[i], sxx+x[i]*x[i], sxy+x[i]*y[i]
	}
	return (n*sxy - sx*sy) / (n*sxx - sx*sx)
}
