package main

import (
	"maps"
	"math"
	"slices"

	"gonum.org/v1/plot/plotter"
)

// metric is what stands on the y axis of a row of panels.
type metric struct {
	label  string
	smooth bool // a running mean over about ten steps
	of     func(r *run) []point
}

// metrics are those of all runs; rows without a point in any run are left out.
var metrics = []metric{
	{"training loss, nats", true, ofSteps(func(s *record) float64 { return value(s.Loss) })},
	{"test accuracy", false, ofEvaluations(func(e *evaluation) float64 { return value(e.Accuracy) })},
	{"test loss, nats", false, ofEvaluations(func(e *evaluation) float64 { return e.Loss })},
	{"evaluations of F, forward", true, ofSteps(func(s *record) float64 { return s.NFEForward })},
	{"evaluations of F, backward", true, ofSteps(func(s *record) float64 { return s.NFEBackward })},
	{"step size, units of t", false, func(r *run) []point { return r.sizes }},
	{"t1, units of t", false, ofSteps(meanT1)},
	{"damping", false, ofSteps(func(s *record) float64 { return positive(s.Damping) })},
	{"norm of the gradient", true, ofSteps(func(s *record) float64 { return value(s.GradNorm) })},
}

func value(x *float64) float64 {
	if x == nil {
		return math.NaN()
	}
	return *x
}

// positive is NaN for 0, which stands for a setting that the run does not have.
func positive(x float64) float64 {
	if x == 0 {
		return math.NaN()
	}
	return x
}

// meanT1 is the mean over the blocks.
func meanT1(s *record) float64 {
	sum := 0.0
	for _, block := range slices.Sorted(maps.Keys(s.T1)) {
		sum += s.T1[block]
	}
	return sum / float64(len(s.T1))
}

// ofSteps and ofEvaluations are the finite numbers of the steps, or of the evaluations, of a run.
func ofSteps(of func(*record) float64) func(*run) []point {
	return func(r *run) []point {
		var all []point
		for i := range r.steps {
			if y := of(&r.steps[i]); !math.IsNaN(y) && !math.IsInf(y, 0) {
				all = append(all, point{float64(r.steps[i].Step), y})
			}
		}
		return all
	}
}

func ofEvaluations(of func(*evaluation) float64) func(*run) []point {
	return func(r *run) []point {
		var all []point
		for i := range r.evaluations {
			if y := of(&r.evaluations[i]); !math.IsNaN(y) && !math.IsInf(y, 0) {
				all = append(all, point{float64(r.evaluations[i].Step), y})
			}
		}
		return all
	}
}

// points are a metric of a run over steps or over seconds.
func (m *metric) points(r *run, seconds bool) plotter.XYs {
	all := m.of(r)
	out := make(plotter.XYs, len(all))
	mean, weight := 0.0, 0.0
	at := 0
	for i, p := range all {
		out[i] = plotter.XY{X: p.step, Y: p.y}
		if m.smooth {
			mean, weight = 0.9*mean+0.1*p.y, 0.9*weight+0.1
			out[i].Y = mean / weight
		}
		if seconds {
			for at < len(r.steps)-1 && float64(r.steps[at].Step) < p.step {
				at++
			}
			out[i].X = r.elapsed[at]
		}
	}
	return thin(out)
}

// most is how many points a line has at most.
const most = 600

// thin leaves points out, evenly, but never the last.
func thin(all plotter.XYs) plotter.XYs {
	if len(all) <= most {
		return all
	}
	out := make(plotter.XYs, most)
	for i := range out {
		out[i] = all[(i+1)*len(all)/most-1]
	}
	return out
}

// spread is the mean of several lines and the band between the lowest and the highest of them, where all have points.
func spread(lines []plotter.XYs) (mean, low, high plotter.XYs) {
	from, to := math.Inf(-1), math.Inf(1)
	for _, l := range lines {
		if len(l) == 0 {
			return nil, nil, nil
		}
		from, to = max(from, l[0].X), min(to, l[len(l)-1].X)
	}
	const cells = 200
	for k := 0; k <= cells && from <= to; k++ {
		x := from + (to-from)*float64(k)/cells
		sum, lowest, highest := 0.0, math.Inf(1), math.Inf(-1)
		for _, l := range lines {
			y := between(l, x)
			sum += y
			lowest, highest = min(lowest, y), max(highest, y)
		}
		mean = append(mean, plotter.XY{X: x, Y: sum / float64(len(lines))})
		low, high = append(low, plotter.XY{X: x, Y: lowest}), append(high, plotter.XY{X: x, Y: highest})
	}
	return mean, low, high
}

// between is a line's height at x, which lies within it.
func between(l plotter.XYs, x float64) float64 {
	i, _ := slices.BinarySearchFunc(l, x, func(p plotter.XY, x float64) int {
		switch {
		case p.X < x:
			return -1
		case p.X > x:
			return 1
		}
		return 0
	})
	switch {
	case i == len(l):
		return l[i-1].Y
	case i == 0 || l[i].X == x:
		return l[i].Y
	}
	a, b := l[i-1], l[i]
	return a.Y + (b.Y-a.Y)*(x-a.X)/(b.X-a.X)
}
