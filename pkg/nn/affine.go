package nn

import (
	"math"

	"odepipe/pkg/backend"
	"odepipe/pkg/tensor"
)

// Affine is a linear or convolutional layer: y = w * [t, x] + b with the geometry and shapes of backend.Conv.
type Affine struct {
	Name     string // inside a network, "ode.conv1"; it names the Kronecker factors
	Geometry backend.Conv
	weight   tensor.Shape
	output   tensor.Shape
}

var _ Layer = (*Affine)(nil)

// Output is [Out] or [Out, OH, OW].
func (a *Affine) Output() tensor.Shape { return a.output }

// Params are weight [Out, Channels(, Kernel, Kernel)] and, with Bias, bias [Out].
func (a *Affine) Params() []Param {
	g := a.Geometry
	params := []Param{{Name: "weight", Shape: a.weight, FanIn: g.FanIn()}}
	if g.Bias {
		params = append(params, Param{Name: "bias", Shape: tensor.Of(g.Out), FanIn: g.FanIn()})
	}
	return params
}

// Bind packs the weight.
func (a *Affine) Bind(be backend.Backend, values []tensor.T) Map {
	g := a.Geometry
	m := &affineMap{layer: a, be: be, weight: values[0], packed: be.Pack(g, values[0]), imageTime: math.NaN()}
	if g.Bias {
		m.bias = values[1]
	}
	if g.Bias || g.Time {
		pixels := tensor.Of(g.OH(), g.OW(), g.Out)
		m.image, m.gsum = be.Plain(pixels), be.Plain(pixels)
	}
	if g.Time {
		m.timeImage = be.Plain(m.image.Shape)
		be.BiasImage(m.timeImage, g, values[0], tensor.T{}, 1)
	}
	return m
}

type affineMap struct {
	layer        *Affine
	be           backend.Backend
	weight, bias tensor.T
	packed       backend.Packed
	image        tensor.T // bias and time channel at imageTime [OH, OW, Out]
	timeImage    tensor.T // dy/dt, the same for every sample [OH, OW, Out]
	gsum         tensor.T // sum over samples of dy [OH, OW, Out]
	imageTime    float64
}

func (m *affineMap) Forward(y tensor.T, t []float64, x tensor.T) {
	g := m.layer.Geometry
	at := 0.0
	if g.Time {
		at = t[0]
	}
	if (g.Bias || g.Time) && at != m.imageTime {
		m.be.BiasImage(m.image, g, m.weight, m.bias, at)
		m.imageTime = at
	}
	m.be.ConvForward(y, g, m.packed, m.image, x) // y = w * x + image(t)
}

func (m *affineMap) VJP(want Cotangents, dy tensor.T, t []float64, x tensor.T) {
	g := m.layer.Geometry
	if want.Tap != nil {
		want.Tap(m.layer, x, dy, t)
	}
	if want.Dx.Shape.Rank > 0 {
		m.be.ConvBackward(want.Dx, g, m.packed, dy) // dx = w^T dy
	}
	if want.Params == nil && (want.Dt == nil || !g.Time) {
		return
	}
	if g.Bias || g.Time {
		m.be.SumBatch(m.gsum, dy, nil)
	}
	if want.Params != nil {
		m.be.ConvGrad(want.Params[0], g, dy, x) // dw = sum_n dy (x) patches of x
		if g.Bias || g.Time {
			var db tensor.T
			if g.Bias {
				db = want.Params[1]
			}
			m.be.BiasImageGrad(want.Params[0], db, g, m.gsum, t[0])
		}
	}
	if want.Dt != nil && g.Time {
		m.be.Dot(want.Dt, m.gsum, m.timeImage) // dL/dt += sum_n <dy, dy/dt>
	}
}
