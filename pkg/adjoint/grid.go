package adjoint

import (
	"math"

	"odepipe/pkg/ode"
)

// Grid samples by the trapezoid rule on n+1 uniform points of the interval, which the dense output reaches: no step is
// forced. Weights are dt, and dt/2 at both ends (the paper's Algorithm 1, with about 100 points).
type Grid struct {
	Step float64 // largest dt, units of t; of the unit interval where samples have intervals of their own
	Into *Factors

	samples
	from, to float64 // of the solver's time, backwards
	n        int     // intervals
	next     int     // index of the next point, counted from from
}

func (g *Grid) begin(p *Problem, f *augmented) {
	g.samples = newSamples(p, f)
	g.to, g.from = p.interval()
	g.n, g.next = max(1, int(math.Ceil(g.length/g.Step-1e-9))), 0
}

// point is grid point j, exact at both ends.
func (g *Grid) point(j int) float64 {
	if j == g.n {
		return g.to
	}
	return g.from + (g.to-g.from)*float64(j)/float64(g.n)
}

// observe visits the grid points of one accepted step.
func (g *Grid) observe(step *ode.Dense) {
	for ; g.next <= g.n; g.next++ {
		t := g.point(g.next)
		if (t-step.To)*(g.to-g.from) > 0 {
			return // beyond this step
		}
		weight := g.length / float64(g.n)
		if g.next == 0 || g.next == g.n {
			weight /= 2
		}
		g.addAt(g.Into, step, t, weight)
	}
}
