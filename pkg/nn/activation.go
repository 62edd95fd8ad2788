package nn

import (
	"odepipe/pkg/backend"
	"odepipe/pkg/tensor"
)

// activation is an element-wise y = sigma(x).
type activation struct {
	be       backend.Backend
	function backend.Activation
	shape    tensor.Shape
}

func (a activation) Output() tensor.Shape { return a.shape }
func (a activation) Params() []Param      { return nil }

func (a activation) Bind(be backend.Backend, _ []tensor.T) Map {
	a.be = be
	return &a
}

func (a *activation) Forward(y tensor.T, _ []float64, x tensor.T) { a.be.Activate(y, a.function, x) }

func (a *activation) VJP(want Cotangents, dy tensor.T, _ []float64, x tensor.T) {
	if given(want.Dx) {
		a.be.ActivateGrad(want.Dx, a.function, dy, x) // dx = dy sigma'(x)
	}
}

func (a *activation) JVPs(ydots []tensor.T, along []Direction, _ []float64, x tensor.T) {
	for i, ydot := range ydots {
		if xdot := along[i].Dx; given(xdot) {
			a.be.ActivateGrad(ydot, a.function, xdot, x) // ydot = sigma'(x) xdot
		} else {
			a.be.Combine(ydot, nil)
		}
	}
}

func (a *activation) PairVJPs(want Cotangents, pair Pair, t []float64, x tensor.T) {
	pair.begin(a.be, a, want, t, x)
	for i, dydot := range pair.Dydots {
		if xdot := pair.Along[i].Dx; given(want.Dx) && given(xdot) {
			a.be.ActivateGrad2(want.Dx, a.function, dydot, xdot, x) // dx += dydot xdot sigma''(x)
		}
		a.VJP(Cotangents{Dx: pair.wantDot(i)}, dydot, t, x)
	}
}

func activationOf(f backend.Activation) func(Spec, tensor.Shape) (Layer, error) {
	return func(_ Spec, in tensor.Shape) (Layer, error) { return activation{function: f, shape: in}, nil }
}
