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
	return a
}

func (a activation) Forward(y tensor.T, _ []float64, x tensor.T) { a.be.Activate(y, a.function, x) }

func (a activation) VJP(want Cotangents, dy tensor.T, _ []float64, x tensor.T) {
	if want.Dx.Shape.Rank > 0 {
		a.be.ActivateGrad(want.Dx, a.function, dy, x) // dx = dy sigma'(x)
	}
}

func activationOf(f backend.Activation) func(Spec, tensor.Shape) (Layer, error) {
	return func(_ Spec, in tensor.Shape) (Layer, error) { return activation{function: f, shape: in}, nil }
}
