package ode_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"testing"

	"odepipe/pkg/backend/ref"
	"odepipe/pkg/ode"
	"odepipe/pkg/tensor"
	"odepipe/pkg/testkit"
)

// testdata/reference.json says what torchdiffeq 0.2.5 does: results, evaluations, accepted and rejected steps.
func TestSameAsTorchdiffeq(t *testing.T) {
	for i, c := range referenceCases(t) {
		t.Run(fmt.Sprintf("%d %s %s", i, c.Method, c.System), func(t *testing.T) {
			for _, copies := range []int{0, 1, 3} { // 0: a plain tensor; copies do not change a mean
				be := ref.New()
				f := &field{system: systems[c.System]}
				p := ode.Problem{Field: f}
				x := be.Plain(tensor.Of(len(c.X0)))
				copy(x.Buf.F64, c.X0)
				if copies > 0 {
					x = batch(be, copies, c.X0)
				}
				y := ode.State{x}
				if c.Quadrature {
					y, p.Quadrature = append(y, be.Plain(tensor.Of())), 1
					y[1].Buf.F64[0] = 0
				}
				o := ode.Options{Method: c.Method, RTol: c.RTol, ATol: c.ATol, Step: c.Step, FirstStep: c.FirstStep}
				last := append(ode.State(nil), y...) // at the start of the last step
				for part := range last {
					last[part] = be.Batch(max(y[part].N, 1), y[part].Shape)
				}
				var observe func(*ode.Dense)
				if len(c.Last) > 0 {
					observe = func(d *ode.Dense) { d.At(last, d.From) }
				}
				end, stats, err := ode.Solve(be, p, y, c.T0, c.T1, o, observe)
				if err != nil {
					t.Fatal(err)
				}
				got := ode.Stats{Evaluations: c.Evaluations, Steps: c.Steps, Rejected: c.Rejected, LastStep: stats.LastStep}
				if stats != got || f.evaluations != c.Evaluations {
					t.Errorf("%d copies: got %+v and counted %d, want %+v", copies, stats, f.evaluations, got)
				}
				first := func(s ode.State) []float64 {
					return append(s[0].Buf.F64[:len(c.X0):len(c.X0)], s[len(s)-1].Buf.F64[:len(c.X1)-len(c.X0)]...)
				}
				if len(c.Last) > 0 {
					testkit.Close(t, "x before the last step", first(last), c.Last, 1e-12, 2e-3) // rounding moves its time
				}
				switch {
				case c.Method == "dopri8": // torchdiffeq rounds the differences of its error estimate
					testkit.Close(t, "x(t1)", first(end), c.X1, 0, 1e-6)
				case c.Method == "dopri5" || len(c.Last) == 0: // the dense outputs of others differ
					testkit.Close(t, "x(t1)", first(end), c.X1, 1e-13, 1e-9)
				}
			}
		})
	}
}

type referenceCase struct {
	System, Method               string
	T0, T1, RTol, ATol, Step     float64
	FirstStep                    float64 `json:"first_step"`
	Quadrature                   bool
	X0, X1, Last                 []float64
	Evaluations, Steps, Rejected int
}

func referenceCases(t *testing.T) []referenceCase {
	data, err := os.ReadFile("testdata/reference.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Cases []referenceCase }
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Cases) < 20 {
		t.Fatalf("only %d cases", len(file.Cases))
	}
	return file.Cases
}

// The golden table is good to 1e-16; the tolerances are what each method reaches, Arenstorf's from the table's notes.
func TestGoldenTable(t *testing.T) {
	var table struct {
		Problems map[string]struct {
			T0, T1 float64
			X0     []float64
			X1     []float64 `json:"x_t1"`
		}
	}
	testkit.Golden(t, "ode_table", &table)
	for _, m := range ode.Methods {
		for name, p := range table.Problems {
			encounters := name == "arenstorf" || name == "arenstorf_half"
			if encounters && (!m.Adaptive() || m.Order < 5 || m.Iterates) {
				continue // close encounters are not for steps of one size, for low orders or for stiff methods
			}
			if name == "stiff_linear" && m.Name == "explicit_adams" {
				continue // its steps would have to be below 4e-5
			}
			t.Run(m.Name+" "+name, func(t *testing.T) {
				o, tolerance := accurate(m)
				if encounters {
					tolerance = 1e-7
				}
				got, _ := solveSystem(t, name, p.X0, p.T0, p.T1, o, nil)
				testkit.Close(t, "x(t1)", got, p.X1, tolerance, 0)
			})
		}
	}
}

// accurate is options with which a method solves the golden problems well, and the error that it then makes at most.
func accurate(m ode.Scheme) (ode.Options, float64) {
	o := ode.Options{Method: m.Name}
	switch {
	case m.Adaptive() && m.Order > 5: // its dense output, which gives the end, is of order 4
		o.RTol, o.ATol, o.DtMax = 1e-12, 1e-12, 0.01
		return o, 1e-9
	case m.Adaptive() && m.Iterates:
		o.RTol, o.ATol = 1e-10, 1e-10
		return o, 1e-7
	case m.Adaptive() && m.Order == 5:
		o.RTol, o.ATol = 1e-12, 1e-12
		return o, 1e-10
	case m.Adaptive() && m.Order == 3:
		o.RTol, o.ATol = 1e-10, 1e-10
		return o, 1e-7
	case m.Adaptive():
		o.RTol, o.ATol = 1e-7, 1e-7
		return o, 1e-4
	}
	o = steps(m, 1./2048)
	return o, math.Max(1e-9, 40*math.Pow(o.Step, float64(m.Order)))
}

func TestThereAndBackAgain(t *testing.T) {
	for _, m := range ode.Methods {
		t.Run(m.Name, func(t *testing.T) {
			o, tolerance := ode.Options{Method: m.Name, RTol: 1e-9, ATol: 1e-9}, 1e-6
			if !m.Adaptive() {
				o.Step = 1. / 2048
			}
			switch m.Order {
			case 1:
				tolerance = 1e-2
			case 2:
				tolerance = 1e-5
			}
			there, _ := solveSystem(t, "lotka_volterra", []float64{1, 1}, 0, 2, o, nil)
			back, _ := solveSystem(t, "lotka_volterra", there, 2, 0, o, nil)
			testkit.Close(t, "x(t0)", back, []float64{1, 1}, tolerance, 0)
		})
	}
}

func TestNoTimeNoWork(t *testing.T) {
	be := ref.New()
	f := &field{system: systems["forced"]}
	y := ode.State{batch(be, 2, []float64{0.25})}
	end, stats, err := ode.Solve(be, ode.Problem{Field: f}, y, 3, 3, ode.Options{RTol: 1}, func(*ode.Dense) { t.Error("observed") })
	if err != nil || stats != (ode.Stats{}) || f.evaluations != 0 {
		t.Fatalf("got %+v, %d evaluations, %v", stats, f.evaluations, err)
	}
	testkit.Close(t, "x", end[0].Buf.F64, []float64{0.25, 0.25}, 0, 0)
	if &end[0].Buf.F64[0] == &y[0].Buf.F64[0] {
		t.Error("the result shares the memory of y")
	}
}

func TestFixedGrid(t *testing.T) {
	cases := map[string]struct {
		t0, t1, step float64
		grid         []float64
	}{
		"steps that fit":                    {0, 1, 0.25, []float64{0, 0.25, 0.5, 0.75, 1}},
		"a shorter last step":               {0, 1, 0.4, []float64{0, 0.4, 0.8, 1}},
		"backwards":                         {1, 0, 0.4, []float64{1, 0.6, 0.2, 0}},
		"one step over all":                 {0, 1, 0, []float64{0, 1}},
		"a step beyond the end":             {0, 1, 7, []float64{0, 1}},
		"a grid that ends just short of it": {0, 0.45, 0.15, []float64{0, 0.15, 0.3, 0.45}},
		"a quotient just below a number":    {0, 0.3, 0.1, []float64{0, 0.1, 0.2, 0.3}},
		"an offset":                         {-2, -1, 0.5, []float64{-2, -1.5, -1}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			for _, m := range ode.Methods {
				if m.Adaptive() && c.step == 0 {
					continue
				}
				grid := []float64{c.t0}
				_, stats := solveSystem(t, "forced", []float64{1}, c.t0, c.t1, steps(m, c.step), func(d *ode.Dense) {
					testkit.Close(t, "From", []float64{d.From}, grid[len(grid)-1:], 0, 0)
					grid = append(grid, d.To)
				})
				testkit.Close(t, m.Name+" grid", grid, c.grid, 1e-15, 0)
				if grid[len(grid)-1] != c.t1 {
					t.Errorf("%s ends at %v", m.Name, grid[len(grid)-1])
				}
				if m.Tableau == nil || m.Iterates {
					continue
				}
				want := (m.Tableau.Slopes()-1)*stats.Steps + 1
				if stats.Evaluations != want {
					t.Errorf("%s: got %d evaluations in %d steps, want %d", m.Name, stats.Evaluations, stats.Steps, want)
				}
			}
		})
	}
}

// Stages at the end of a step are at the very time where the next step starts, so that a field may keep what depends
// on time only; t + h would now and then be off by a rounding.
func TestStagesEndWithTheStep(t *testing.T) {
	for _, m := range tableaux() {
		distinct := map[float64]bool{1: true} // the end, where the observer's slope is
		for _, c := range m.Tableau.C {
			distinct[c] = true
		}
		for k := 1.; k <= 50; k++ {
			times := map[float64]bool{}
			be := ref.New()
			f := &field{system: func(dst []float64, t float64, _ []float64) { dst[0], times[t] = t, true }}
			y := ode.State{batch(be, 1, []float64{0})}
			one := steps(m, 100)
			if _, _, err := ode.Solve(be, ode.Problem{Field: f}, y, -0.1*k, 0.07*k, one, func(*ode.Dense) {}); err != nil {
				t.Fatal(err)
			}
			if len(times) != len(distinct) {
				t.Errorf("%s: f was evaluated at %d different times, want %d", m.Name, len(times), len(distinct))
			}
		}
	}
}

// Steps of chosen size join, and the last is cut at t1 for the observer though the solver passes it.
func TestObserverSeesEveryStep(t *testing.T) {
	for _, end := range []float64{4, -4} {
		at := ode.State{batch(ref.New(), 1, []float64{0})}
		to, count := 0.0, 0
		x1, stats := solveSystem(t, "forced", []float64{1}, 0, end, ode.Options{RTol: 1e-4, ATol: 1e-4}, func(d *ode.Dense) {
			testkit.Close(t, "From", []float64{d.From}, []float64{to}, 0, 0)
			if !((d.To-d.From)*end > 0) {
				t.Errorf("step from %v to %v", d.From, d.To)
			}
			to = d.To
			count++
			d.At(at, d.To)
		})
		if count != stats.Steps || to != end {
			t.Errorf("observed %d of %d steps, to %v", count, stats.Steps, to)
		}
		testkit.Close(t, "dense output at t1", at[0].Buf.F64, x1, 0, 0)
	}
}

func TestObservingChangesNothing(t *testing.T) {
	for _, m := range ode.Methods {
		o := ode.Options{Method: m.Name, RTol: 1e-5, ATol: 1e-5}
		if !m.Adaptive() {
			o.Step = 1. / 1024
		}
		alone, _ := solveSystem(t, "lotka_volterra", []float64{1, 1}, 0, 3, o, nil)
		seen, _ := solveSystem(t, "lotka_volterra", []float64{1, 1}, 0, 3, o, func(*ode.Dense) {})
		testkit.Close(t, m.Name, seen, alone, 0, 0)
	}
}

// A solve costs the same allocations whatever the number of its steps, and leaves only its result in the arena.
func TestMemory(t *testing.T) {
	for _, m := range ode.Methods {
		t.Run(m.Name, func(t *testing.T) {
			be := ref.New()
			y := ode.State{batch(be, 2, []float64{2, 0})}
			p := ode.Problem{Field: &field{system: systems["van_der_pol"]}}
			solveFor := func(t1 float64) func() {
				return func() {
					mark := be.Mark()
					o := steps(m, 1./1024)
					if m.Adaptive() {
						o = ode.Options{Method: m.Name, RTol: 1e-6, ATol: 1e-6}
					}
					if _, _, err := ode.Solve(be, p, y, 0, t1, o, func(*ode.Dense) {}); err != nil {
						t.Fatal(err)
					}
					if used := be.Mark().Offset - mark.Offset; used != y[0].Size() {
						t.Fatalf("%d numbers left in the arena, want %d", used, y[0].Size())
					}
					be.Release(mark)
				}
			}
			short, long := testing.AllocsPerRun(5, solveFor(0.5)), testing.AllocsPerRun(5, solveFor(5))
			if short != long {
				t.Errorf("%v allocations for a short solve, %v for a long one", short, long)
			}
			testkit.Close(t, "y", y[0].Buf.F64, []float64{2, 0, 2, 0}, 0, 0)
		})
	}
}
