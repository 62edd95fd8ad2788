package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"time"

	"odepipe/pkg/backend/ref"
	"odepipe/pkg/ode"
	"odepipe/pkg/tensor"
)

// problem is an initial value problem dx/dt = f(t, x), x(t0) = x0.
type problem struct {
	name, equation string
	system         func(dst []float64, t float64, x []float64)
	t0, t1         float64
	x0             []float64
	end            []float64 // x(t1)
}

// problems are those of the golden table, in display order.
var problems = []problem{
	{name: "exp_decay", equation: "x' = -2 x", t1: 3, x0: []float64{1},
		system: func(dst []float64, _ float64, x []float64) { dst[0] = -2 * x[0] }},
	{name: "forced", equation: "x' = -x + sin 3t", t1: 5, x0: []float64{0.5},
		system: func(dst []float64, t float64, x []float64) { dst[0] = math.Sin(3*t) - x[0] }},
	{name: "van_der_pol", equation: "mu = 1", t1: 10, x0: []float64{2, 0},
		system: func(dst []float64, _ float64, x []float64) { dst[0], dst[1] = x[1], (1-x[0]*x[0])*x[1]-x[0] }},
	{name: "lotka_volterra", equation: "0 to 10", t1: 10, x0: []float64{1, 1}, system: lotkaVolterra},
	{name: "lotka_volterra_reverse", equation: "2 to 0", t0: 2, x0: []float64{1, 1}, system: lotkaVolterra},
	{name: "stiff_linear", equation: "an eigenvalue of -80", t1: 2, x0: []float64{1, 0.5, -1},
		system: func(dst []float64, _ float64, x []float64) {
			dst[0], dst[1], dst[2] = 3*x[1]-x[0], -3*x[0]-x[1], x[0]+2*x[1]-80*x[2]
		}},
	{name: "arenstorf_half", equation: "half an orbit", t1: 8.5, x0: arenstorfStart, system: arenstorf},
	{name: "arenstorf", equation: "an orbit", t1: 17.06521656015796, x0: arenstorfStart, system: arenstorf},
}

func lotkaVolterra(dst []float64, _ float64, x []float64) {
	dst[0], dst[1] = x[0]*(1.5-x[1]), x[1]*(x[0]-3)
}

var arenstorfStart = []float64{0.994, 0, 0, -2.0015851063790824}

// arenstorf is the restricted three-body problem in a rotating frame, state (x, y, x', y') (Hairer, Norsett, Wanner I, II.0).
func arenstorf(dst []float64, _ float64, x []float64) {
	const moon = 0.012277471 // its part of the mass
	const earth = 1 - moon
	toEarth := math.Pow(math.Hypot(x[0]+moon, x[1]), 3)
	toMoon := math.Pow(math.Hypot(x[0]-earth, x[1]), 3)
	dst[0], dst[1] = x[2], x[3]
	dst[2] = x[0] + 2*x[3] - earth*(x[0]+moon)/toEarth - moon*(x[0]-earth)/toMoon
	dst[3] = x[1] - 2*x[2] - earth*x[1]/toEarth - moon*x[1]/toMoon
}

// readTruth takes the end states from a golden table, whose problems must be these.
func readTruth(path string, list []problem) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var table struct {
		Problems map[string]struct {
			T0, T1 float64
			X0     []float64
			End    []float64 `json:"x_t1"`
		}
	}
	if err := json.Unmarshal(data, &table); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for i := range list {
		p := &list[i]
		golden := table.Problems[p.name]
		if golden.T0 != p.t0 || golden.T1 != p.t1 || !slices.Equal(golden.X0, p.x0) || len(golden.End) != len(p.x0) {
			return fmt.Errorf("%s: problem %s is not the one that is solved here", path, p.name)
		}
		p.end = golden.End
	}
	return nil
}

// The settings of the solve that stands in for exact end states. Its steps are short because the end comes from the dense
// output, of order 4.
const (
	standInTolerance = 1e-13
	standInSteps     = 4096 // at least
)

// standIn computes the end states.
func standIn(list []problem) error {
	for i := range list {
		p := &list[i]
		o := ode.Options{Method: "dopri8", RTol: standInTolerance, ATol: standInTolerance, DtMax: math.Abs(p.t1-p.t0) / standInSteps}
		var err error
		if p.end, _, err = p.solve(o); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}

// solve integrates from t0 to t1 in float64. Errors are those of ode.Solve.
func (p *problem) solve(o ode.Options) ([]float64, ode.Stats, error) {
	be := ref.New()
	end := make([]float64, len(p.x0))
	stats, _, err := p.timed(be, o, end)
	return end, stats, err
}

// timed is solve on a backend that may have its memory already, with x(t1) written to end; it returns the seconds of the
// solver alone.
func (p *problem) timed(be *ref.Backend, o ode.Options, end []float64) (ode.Stats, float64, error) {
	mark := be.Mark()
	defer be.Release(mark)
	x := be.Batch(1, tensor.Of(len(p.x0)))
	be.Upload(x, tensor.Buffer{F64: p.x0})
	start := time.Now()
	state, stats, err := ode.Solve(be, ode.Problem{Field: field(p.system)}, ode.State{x}, p.t0, p.t1, o, nil)
	seconds := time.Since(start).Seconds()
	if err == nil {
		be.Download(tensor.Buffer{F64: end}, state[0])
	}
	return stats, seconds, err
}

// field is a system of one sample as an ode.Field.
type field func(dst []float64, t float64, x []float64)

var _ ode.Field = field(nil)

func (f field) Eval(dst ode.State, t []float64, y ode.State, _ ode.Evaluation) {
	f(dst[0].Buf.F64, t[0], y[0].Buf.F64)
}
