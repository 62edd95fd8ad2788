package nn

import (
	"odepipe/pkg/backend"
	"odepipe/pkg/tensor"
)

// Direction is a tangent (xdot, thetadot, tdot) of the arguments of y = f(t, x; theta). Zero parts mean 0.
type Direction struct {
	Dx     tensor.T   // xdot, a batch of x's shape
	Params []tensor.T // thetadot, all parameters in the order of Params; plain
	Dt     float64    // tdot, the same for all samples
}

// Pair is y with its tangents ydots[p] along some directions, and their cotangents in s.
type Pair struct {
	Dy       tensor.T // ds/dy; the zero T means 0
	Along    []Direction
	Dydots   []tensor.T // ds/dydots[p], batches of y's shape
	WantDots []tensor.T // ds/dxdots[p], overwritten; batches of x's shape, zero ones or the list nil if not wanted
}

// wantDot is what is wanted of ds/dxdots[p].
func (p Pair) wantDot(i int) tensor.T {
	if p.WantDots == nil {
		return tensor.T{}
	}
	return p.WantDots[i]
}

// given says whether an optional batch was given: the zero T stands for 0 as an argument, for "not wanted" as a result.
func given(x tensor.T) bool { return x.N > 0 }

// terms is room for the terms of a linear combination; a list made in a call through an interface would go to the heap.
type terms [2]tensor.T

// combine writes dst = sum_i coef[i] x[i].
func (r *terms) combine(be backend.Backend, dst tensor.T, coef []float64, x ...tensor.T) {
	be.Combine(dst, coef, r[:copy(r[:], x)]...)
}

// The coefficients of x, -x, x + y and x - y.
var (
	one        = []float64{1}
	minus      = []float64{-1}
	two        = []float64{1, 1}
	difference = []float64{1, -1}
)

// begin computes what is wanted of the cotangents of <dy, y>, to which a map's PairVJPs adds those of the tangents.
func (p Pair) begin(be backend.Backend, m Map, want Cotangents, t []float64, x tensor.T) {
	if given(p.Dy) {
		m.VJP(want, p.Dy, t, x)
		return
	}
	if given(want.Dx) {
		be.Combine(want.Dx, nil)
	}
	for _, w := range want.Params {
		be.Combine(w, nil)
	}
}

// linearPairVJPs is PairVJPs of a linear map without parameters, whose tangents are maps like itself.
func linearPairVJPs(be backend.Backend, m Map, want Cotangents, pair Pair, t []float64, x tensor.T) {
	pair.begin(be, m, want, t, x)
	for i, dydot := range pair.Dydots {
		m.VJP(Cotangents{Dx: pair.wantDot(i)}, dydot, t, x)
	}
}

// linearJVPs is JVPs of such a map.
func linearJVPs(be backend.Backend, m Map, ydots []tensor.T, along []Direction, t []float64) {
	for i, ydot := range ydots {
		if xdot := along[i].Dx; given(xdot) {
			m.Forward(ydot, t, xdot)
		} else {
			be.Combine(ydot, nil)
		}
	}
}

// copyOrZero writes dst = x, or 0 if x is not given.
func (r *terms) copyOrZero(be backend.Backend, dst, x tensor.T) {
	if given(x) {
		r.combine(be, dst, one, x)
	} else {
		be.Combine(dst, nil)
	}
}
