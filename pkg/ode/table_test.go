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
	for _, m := range tableaux() {
		t.Run(m.Name, func(t *testing.T) {
			m, stages := m.Tableau, len(m.Tableau.C)
			if len(m.A) != stages || len(m.B) != stages || m.E != nil && len(m.E) != stages || m.Mid != nil && len(m.Mid) != stages {
				t.Fatal("rows of different lengths")
			}
			for i, row := range points(m) {
				if i < stages && len(m.A[i]) != i {
					t.Errorf("row %d of A has %d entries", i, len(m.A[i]))
				}
				want := 1.0
				if i < stages {
					want = m.C[i]
				}
				testkit.Close(t, "row sum of A", []float64{sum(row)}, []float64{want}, 1e-14, 0) // entries up to 47 cancel
			}
			testkit.Close(t, "sum of B", []float64{sum(m.B)}, []float64{1}, 1e-15, 0)
			testkit.Close(t, "sum of E", []float64{sum(m.E)}, []float64{0}, 1e-15, 0)
			if m.Mid != nil {
				testkit.Close(t, "sum of Mid", []float64{sum(m.Mid)}, []float64{0.5}, 1e-15, 0)
			}
		})
	}
}

func TestTreesAreCounted(t *testing.T) {
	want := []int{0, 1, 1, 2, 4, 9, 20, 48, 115}
	for n, list := range trees(8) {
		if len(list) != want[n] {
			t.Errorf("%d trees of %d nodes, want %d", len(list), n, want[n])
		}
	}
}

// The weights satisfy the conditions of their order and not all of those of the next; so do those of the embedded
// solution, whose order is one less.
func TestOrderConditions(t *testing.T) {
	for _, m := range tableaux() {
		t.Run(m.Name, func(t *testing.T) {
			a, order, m := points(m.Tableau), m.Order, m.Tableau
			weights := map[string]struct {
				w     []float64
				order int
			}{"B": {m.B, order}, "Q": {m.Q, m.QOrder}}
			if m.E != nil {
				embedded := make([]float64, len(m.B))
				for i := range embedded {
					embedded[i] = m.B[i] - m.E[i]
				}
				weights["B - E"] = struct {
					w     []float64
					order int
				}{embedded, order - 1}
			}
			for name, c := range weights {
				for n := 1; n <= c.order; n++ {
					if d := defect(c.w, a, n); !(d <= 2e-14) {
						t.Errorf("%s violates a condition of order %d by %g", name, n, d)
					}
				}
				if d := defect(c.w, a, c.order+1); !(d > 1e-7) {
					t.Errorf("%s satisfies the conditions of order %d", name, c.order+1)
				}
			}
		})
	}
}

func TestQuadratureWeightsAreNotNegative(t *testing.T) {
	for _, m := range tableaux() {
		m, order := m.Tableau, m.Order
		if len(m.Q) != m.Slopes() {
			t.Fatalf("%d weights of %d slopes", len(m.Q), m.Slopes())
		}
		negative := false
		for i, q := range m.Q {
			if !(q >= 0) {
				t.Errorf("weight %d is %v", i, q)
			}
			negative = negative || i < len(m.B) && m.B[i] < 0
		}
		testkit.Close(t, "sum of Q", []float64{sum(m.Q)}, []float64{1}, 2e-15, 0)
		if !negative {
			testkit.Close(t, "Q", m.Q[:len(m.B)], m.B, 0, 0)
			if m.QOrder != order {
				t.Errorf("order %d, want %d", m.QOrder, order)
			}
		}
	}
}

// tableaux are the methods that have one.
func tableaux() []ode.Scheme {
	var list []ode.Scheme
	for _, m := range ode.Methods {
		if m.Tableau != nil {
			list = append(list, m)
		}
	}
	return list
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

// The error at the end, and the largest inside the steps, fall with the size of the steps as the order says.
func TestOrderOfConvergence(t *testing.T) {
	for _, m := range ode.Methods {
		t.Run(m.Name, func(t *testing.T) {
			p := convergenceOf(m)
			var logSteps, logEnd, logDense []float64
			for _, n := range p.steps {
				worstDense := 0.0
				at := ode.State{batch(ref.New(), 1, []float64{0})}
				o := steps(m, p.t1/float64(n))
				end, stats := solveSystem(t, p.system, []float64{1}, 0, p.t1, o, func(d *ode.Dense) {
					for i := 1; i <= 4; i++ {
						t := d.From + float64(i)/4*(d.To-d.From)
						d.At(at, t)
						worstDense = max(worstDense, math.Abs(at[0].Buf.F64[0]-p.exact(t)))
					}
				})
				if stats.Steps != n {
					t.Fatalf("got %d steps, want %d", stats.Steps, n)
				}
				logSteps = append(logSteps, math.Log(float64(n)))
				logEnd = append(logEnd, math.Log(math.Abs(end[0]-p.exact(p.t1))))
				logDense = append(logDense, math.Log(worstDense))
			}
			order := -slope(logSteps, logEnd)
			if !(math.Abs(order-float64(m.Order)) <= 0.1) {
				t.Errorf("fitted order %.3f, want %d: logarithms of the errors %.2f", order, m.Order, logEnd)
			}
			if order := -slope(logSteps, logDense); !(order >= min(4, float64(m.Order))-0.15) {
				t.Errorf("fitted order of the dense output %.3f, want at least %d", order, min(4, m.Order))
			}
		})
	}
}

// convergence is a system with x(0) = 1 and numbers of steps in which the leading order of a method's error dominates.
type convergence struct {
	system string
	t1     float64
	exact  func(t float64) float64
	steps  []int
}

func convergenceOf(m ode.Scheme) convergence {
	rational := func(t float64) float64 { return 1 / (1 + t*t) }
	growth := func(t float64) float64 { return math.Exp(math.Sin(t)) }
	switch order := m.Order; {
	case m.Tableau == nil && m.Iterates:
		return convergence{"growth", 1, growth, []int{100, 200, 400}}
	case m.Tableau == nil: // stable for small steps only
		return convergence{"growth", 1, growth, []int{200, 400, 800}}
	case order == 1:
		return convergence{"rational", 1.5, rational, []int{1000, 2000, 4000, 8000}}
	case order < 5:
		return convergence{"rational", 1.5, rational, []int{40, 80, 160, 320}}
	case order == 5:
		return convergence{"growth", 3, growth, []int{32, 64, 128, 256}}
	}
	return convergence{"hyperbola", 2, func(t float64) float64 { return math.Sqrt(1 + t*t) }, []int{4, 8, 16}}
}

// The dense output passes through both ends with the slopes of f, and through the end of the step before.
func TestDenseOutputAtTheEndsOfSteps(t *testing.T) {
	be := ref.New()
	slopeOf := make([]float64, 2)
	for _, m := range ode.Methods {
		t.Run(m.Name, func(t *testing.T) {
			o := steps(m, 0.25)
			at, next := batch(be, 1, []float64{2, 0}), batch(be, 1, []float64{0, 0})
			before := []float64{2, 0}
			solveSystem(t, "van_der_pol", before, 0, 2, o, func(d *ode.Dense) {
				d.At(ode.State{at}, d.From)
				testkit.Close(t, "value at From", at.Buf.F64, before, 1e-14, 0)
				d.At(ode.State{at}, d.To)
				before = append([]float64(nil), at.Buf.F64...)
				if m.Tableau != nil && m.Tableau.Carry {
					return // its slopes are those of another solution
				}
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
