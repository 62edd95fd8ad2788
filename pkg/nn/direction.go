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

// given says whether an optional batch was given: the zero T stands for 0 as an argument, for "not wanted" as a result.
func given(x tensor.T) bool { return x.N > 0 }

// one and two are the coefficients of x and of x + y.
var (
	one = []float64{1}
	two = []float64{1, 1}
)

// copyOrZero writes dst = x, or 0 if x is not given.
func copyOrZero(be backend.Backend, dst, x tensor.T) {
	if given(x) {
		be.Combine(dst, one, x)
	} else {
		be.Combine(dst, nil)
	}
}
