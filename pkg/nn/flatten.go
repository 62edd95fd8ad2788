package nn

import (
	"odepipe/pkg/backend"
	"odepipe/pkg/tensor"
)

// flatten makes a vector of an image, in the order (c, h, w).
type flatten struct {
	be     backend.Backend
	output tensor.Shape
}

func flattenOf(_ Spec, in tensor.Shape) (Layer, error) {
	return flatten{output: tensor.Of(in.Size())}, nil
}

func (f flatten) Output() tensor.Shape { return f.output }
func (f flatten) Params() []Param      { return nil }

func (f flatten) Bind(be backend.Backend, _ []tensor.T) Map {
	f.be = be
	return &f
}

func (f *flatten) Forward(y tensor.T, _ []float64, x tensor.T) { f.be.Flatten(y, x) }

func (f *flatten) VJP(want Cotangents, dy tensor.T, _ []float64, _ tensor.T) {
	if given(want.Dx) {
		f.be.Unflatten(want.Dx, dy)
	}
}

func (f *flatten) JVPs(ydots []tensor.T, along []Direction, t []float64, _ tensor.T) {
	linearJVPs(f.be, f, ydots, along, t)
}

func (f *flatten) PairVJPs(want Cotangents, pair Pair, t []float64, x tensor.T) {
	linearPairVJPs(f.be, f, want, pair, t, x)
}
