package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"odepipe/pkg/backend/ref"
	"odepipe/pkg/ode"
)

// result is what a method reached with one setting.
type result struct {
	problem, method string
	setting         string
	error           float64 // max_i |x_i - x*_i| / max_i |x*_i| at t1
	evaluations     int
	seconds         float64 // of the fastest of several solves
	failure         error   // of the solver; error is then not a number
}

// failed says that there is no end state, or none with a correct digit.
func (r result) failed() bool { return r.failure != nil || !(r.error < 1) }

// String is the line of the table.
func (r result) String() string {
	reached, remark := fmt.Sprintf("error %8.2e", r.error), ""
	if r.failed() {
		remark = "  no correct digit"
	}
	if r.failure != nil {
		reached, remark = "failed        ", "  "+r.failure.Error()
	}
	return fmt.Sprintf("%-22s  %-14s  %-10s  %s  evaluations %7d  seconds %8.2e%s",
		r.problem, r.method, r.setting, reached, r.evaluations, r.seconds, remark)
}

// The settings: exponents of tolerances, and of numbers of steps of one size.
const (
	loosest, tightest = 2, 10
	fewest, most      = 4, 14
	iterated          = 1e-12 // to which the implicit method of steps of one size solves its equations
)

// measureAll measures every method on every problem with every setting, and shows each result.
func measureAll(list []problem, methods []ode.Scheme, show func(result)) []result {
	var results []result
	for _, p := range list {
		for _, m := range methods {
			for _, o := range settings(m, math.Abs(p.t1-p.t0)) {
				r := measure(&p, o)
				show(r)
				results = append(results, r)
			}
		}
	}
	return results
}

// settings are those of a method, the cheapest first.
func settings(m ode.Scheme, length float64) []ode.Options {
	var list []ode.Options
	if m.Adaptive() {
		for k := loosest; k <= tightest; k++ {
			tolerance := math.Pow10(-k)
			list = append(list, ode.Options{Method: m.Name, RTol: tolerance, ATol: tolerance})
		}
		return list
	}
	for k := fewest; k <= most; k++ {
		o := ode.Options{Method: m.Name, Step: length / float64(int(1)<<k)}
		if m.Iterates {
			o.RTol, o.ATol = iterated, iterated
		}
		list = append(list, o)
	}
	return list
}

// A solve is repeated for so long, to find its fastest run.
const patience = 10 * time.Millisecond

// measure solves with one setting.
func measure(p *problem, o ode.Options) result {
	r := result{problem: p.name, method: o.Method, setting: fmt.Sprintf("tol %.0e", o.RTol), seconds: math.Inf(1), error: math.NaN()}
	if o.Step > 0 {
		r.setting = fmt.Sprintf("%.0f steps", math.Abs(p.t1-p.t0)/o.Step)
	}
	be, end := ref.New(), make([]float64, len(p.x0))
	for begin := time.Now(); r.seconds == math.Inf(1) || time.Since(begin) < patience; {
		stats, seconds, err := p.timed(be, o, end)
		r.evaluations, r.failure, r.seconds = stats.Evaluations, err, min(r.seconds, seconds)
		if err == nil {
			r.error = relative(end, p.end)
		}
	}
	var where *ode.Error
	if errors.As(r.failure, &where) {
		r.failure = fmt.Errorf("%w at t = %.3g", where.Err, where.T)
	}
	return r
}

// relative is max_i |x_i - want_i| / max_i |want_i|.
func relative(x, want []float64) float64 {
	difference, size := 0.0, 0.0
	for i := range want {
		difference, size = max(difference, math.Abs(x[i]-want[i])), max(size, math.Abs(want[i]))
	}
	return difference / size
}

// goal is the error of the summary.
const goal = 1e-6

// summarise prints the fewest evaluations with which each method reaches the goal, a column for each problem.
func summarise(out io.Writer, list []problem, methods []ode.Scheme, results []result) {
	fmt.Fprintf(out, "\nfewest evaluations of f for an error of %.0e, - where no setting reaches it\n%-14s", goal, "")
	for _, p := range list {
		fmt.Fprintf(out, "  %s", p.name)
	}
	for _, m := range methods {
		fmt.Fprintf(out, "\n%-14s", m.Name)
		for _, p := range list {
			cost, fewest := "-", math.MaxInt
			for _, r := range results {
				if r.problem == p.name && r.method == m.Name && !r.failed() && r.error <= goal && r.evaluations < fewest {
					fewest = r.evaluations
					cost = fmt.Sprint(fewest)
				}
			}
			fmt.Fprintf(out, "  %*s", len(p.name), cost)
		}
	}
	fmt.Fprintln(out)
}
