package nn

import (
	"fmt"

	"odepipe/pkg/backend"
	"odepipe/pkg/tensor"
)

// avgpool averages non-overlapping windows: [C, H, W] -> [C, H/kernel, W/kernel].
type avgpool struct {
	be     backend.Backend
	kernel int
	output tensor.Shape
}

func avgpool2d(s Spec, in tensor.Shape) (Layer, error) {
	if in.Rank != 3 || in.Dim[1] < s.Kernel || in.Dim[2] < s.Kernel {
		return nil, fmt.Errorf("got input %v, expected an image of at least %d x %d: %w", in, s.Kernel, s.Kernel, ErrShape)
	}
	return avgpool{kernel: s.Kernel, output: tensor.Of(in.Dim[0], in.Dim[1]/s.Kernel, in.Dim[2]/s.Kernel)}, nil
}

func (p avgpool) Output() tensor.Shape { return p.output }
func (p avgpool) Params() []Param      { return nil }

func (p avgpool) Bind(be backend.Backend, _ []tensor.T) Map {
	p.be = be
	return &p
}

func (p *avgpool) Forward(y tensor.T, _ []float64, x tensor.T) { p.be.AvgPool(y, p.kernel, x) }

func (p *avgpool) VJP(want Cotangents, dy tensor.T, _ []float64, _ tensor.T) {
	if given(want.Dx) {
		p.be.AvgPoolGrad(want.Dx, p.kernel, dy)
	}
}

func (p *avgpool) JVPs(ydots []tensor.T, along []Direction, t []float64, _ tensor.T) {
	linearJVPs(p.be, p, ydots, along, t)
}

func (p *avgpool) PairVJPs(want Cotangents, pair Pair, t []float64, x tensor.T) {
	linearPairVJPs(p.be, p, want, pair, t, x)
}
