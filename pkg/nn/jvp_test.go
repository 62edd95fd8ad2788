package nn_test

import (
	"fmt"
	"testing"

	"odepipe/pkg/nn"
	"odepipe/pkg/tensor"
	"odepipe/pkg/testkit"
)

// along returns the point with tangents of some of the arguments: x, the parameters and t, in this order.
func (p point) along(x, params, t bool) point {
	if x {
		p.xdot = testkit.Normal(4, len(p.x))
	}
	if params {
		p.paramsDot = testkit.Normal(5, len(p.params))
	}
	if t {
		p.tdot = 0.6
	}
	return p
}

// eachDirection runs a test of every chain, along each argument, all and none of them, for one and for many times.
func eachDirection(t *testing.T, test func(t *testing.T, p point)) {
	for _, c := range chains {
		for name, times := range timesOf(samples) {
			for _, arguments := range [][3]bool{{}, {true, false, false}, {false, true, false}, {false, false, true}, {true, true, true}} {
				x, params, time := arguments[0], arguments[1], arguments[2]
				t.Run(fmt.Sprintf("%s, %s, along x %v, parameters %v, t %v", c.name, name, x, params, time), func(t *testing.T) {
					test(t, newPoint(t, c.specs, c.in, times).along(x, params, time))
				})
			}
		}
	}
}

// moved is the point so far along its tangent.
func (p point) moved(step float64) point {
	add := func(x, dot []float64) []float64 {
		sum := append([]float64(nil), x...)
		for i, d := range dot {
			sum[i] += step * d
		}
		return sum
	}
	tdot := make([]float64, len(p.t))
	for i := range tdot {
		tdot[i] = p.tdot
	}
	p.x, p.params, p.t = add(p.x, p.xdot), add(p.params, p.paramsDot), add(p.t, tdot)
	return p
}

func TestJVPAgainstCentralDifferences(t *testing.T) {
	eachDirection(t, func(t *testing.T, p point) {
		const step = 1e-5
		above, _ := p.moved(step).evaluate(nil)
		below, _ := p.moved(-step).evaluate(nil)
		want := make([]float64, len(above))
		for i := range want {
			want[i] = (above[i] - below[i]) / (2 * step)
		}
		along := p.direction()
		_, ydot := p.evaluate(&along)
		testkit.Close(t, "ydot", ydot, want, 1e-7, 1e-6)
	})
}

// <dy, ydot> = <dx, xdot> + <dtheta, thetadot> + dt tdot.
func TestJVPIsTheTransposeOfVJP(t *testing.T) {
	eachDirection(t, func(t *testing.T, p point) {
		bound, y, x := p.bind()
		bound.AllowVJP()
		bound.AllowJVP()
		bound.Inputs(p.t, x)
		bound.JVP(y, p.direction())
		dy := testkit.Normal(6, y.Size())
		want := p.wanted()
		bound.VJP(want, p.batch(p.chain.Out, dy))
		expected := p.tdot * dot(ones(len(want.Dt)), want.Dt)
		if p.xdot != nil {
			expected += dot(p.numbers(want.Dx), p.xdot)
		}
		if p.paramsDot != nil {
			at := 0
			for _, w := range want.Params {
				expected += dot(p.numbers(w), p.paramsDot[at:])
				at += w.Size()
			}
		}
		testkit.Close(t, "<dy, ydot>", []float64{dot(dy, p.numbers(y))}, []float64{expected}, 1e-11, 1e-11)
	})
}

func TestPairVJPAgainstCentralDifferences(t *testing.T) {
	eachDirection(t, func(t *testing.T, p point) {
		size := samples * p.chain.Out.Size()
		dydot := testkit.Normal(7, size)
		for _, dy := range [][]float64{nil, testkit.Normal(6, size)} {
			value := func(q point) float64 { // s
				along := q.direction()
				y, ydot := q.evaluate(&along)
				s := dot(dydot, ydot)
				if dy != nil {
					s += dot(dy, y)
				}
				return s
			}
			bound, y, x := p.bind()
			bound.AllowVJP()
			bound.AllowJVP()
			bound.Inputs(p.t, x)
			bound.JVP(y, nn.Direction{Dt: 9}) // of which nothing may be left
			bound.JVP(y, p.direction())
			var cotangent tensor.T
			if dy != nil {
				cotangent = p.batch(p.chain.Out, dy)
			}
			want, dxdot := p.wanted(), p.batch(p.chain.In, p.x)
			bound.PairVJP(want, dxdot, cotangent, p.batch(p.chain.Out, dydot))
			p.check(t, value, want)

			ofTangent := func(v []float64) float64 { q := p; q.xdot = v; return value(q) }
			xdot := p.xdot
			if xdot == nil {
				xdot = make([]float64, len(p.x))
			}
			testkit.Close(t, "dxdot", p.numbers(dxdot), testkit.Gradient(ofTangent, append([]float64(nil), xdot...)), 1e-7, 1e-6)

			total := nn.Cotangents{Dt: []float64{2}}
			bound.PairVJP(total, tensor.T{}, cotangent, p.batch(p.chain.Out, dydot))
			testkit.Close(t, "dt of all samples, added", total.Dt, []float64{2 + dot(ones(len(want.Dt)), want.Dt)}, 1e-11, 1e-11)
		}
	})
}
