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
	gain     float64
}

var _ Layer = (*Affine)(nil)

// Output is [Out] or [Out, OH, OW].
func (a *Affine) Output() tensor.Shape { return a.output }

// Params are weight [Out, Channels(, Kernel, Kernel)] and, with Bias, bias [Out]. Their initial values are PyTorch's by default,
// Kaiming-uniform with a = sqrt 5, times the gain: Bound = gain / sqrt(inputs that one output sees).
func (a *Affine) Params() []Param {
	g := a.Geometry
	bound := a.gain / math.Sqrt(float64(g.FanIn()))
	params := []Param{{Name: "weight", Shape: a.weight, Bound: bound}}
	if g.Bias {
		params = append(params, Param{Name: "bias", Shape: tensor.Of(g.Out), Bound: bound})
	}
	return params
}

// Bind packs the weight.
func (a *Affine) Bind(be backend.Backend, values []tensor.T) Map { return a.bind(be, values) }

func (a *Affine) bind(be backend.Backend, values []tensor.T) *affineMap {
	g := a.Geometry
	m := &affineMap{layer: a, be: be, weight: values[0], bias: a.biasOf(values), packed: be.Pack(g, values[0]), imageTime: math.NaN()}
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

// biasOf is that of a list in the order of Params, or the zero T.
func (a *Affine) biasOf(list []tensor.T) tensor.T {
	if a.Geometry.Bias {
		return list[1]
	}
	return tensor.T{}
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
	tdot         [1]float64  // of the direction in hand
	partParams   [2]tensor.T // cotangents of one tangent
	terms        terms
}

// oneTime is the t of all samples, or 0 where each has its own.
func oneTime(t []float64) float64 {
	if len(t) == 1 {
		return t[0]
	}
	return 0
}

// imageAt is the bias and time channel at the time of all samples, or at 0 where each has its own.
func (m *affineMap) imageAt(t []float64) tensor.T {
	g := m.layer.Geometry
	at := 0.0
	if g.Time {
		at = oneTime(t)
	}
	if (g.Bias || g.Time) && at != m.imageTime {
		m.be.BiasImage(m.image, g, m.weight, m.bias, at)
		m.imageTime = at
	}
	return m.image
}

func (m *affineMap) Forward(y tensor.T, t []float64, x tensor.T) {
	g := m.layer.Geometry
	m.be.ConvForward(y, g, m.packed, m.imageAt(t), x) // y = w * x + image(t)
	if g.Time && len(t) > 1 {
		m.be.AddImages(y, t, m.timeImage) // image(t) = image(0) + t dy/dt
	}
}

func (m *affineMap) VJP(want Cotangents, dy tensor.T, t []float64, x tensor.T) {
	g := m.layer.Geometry
	if want.Tap != nil {
		want.Tap(m.layer, x, dy, t)
	}
	if given(want.Dx) {
		m.be.ConvBackward(want.Dx, g, m.packed, dy) // dx = w^T dy
	}
	if want.Each != nil {
		m.be.ConvGradEach(want.Each[0], m.layer.biasOf(want.Each), g, dy, x, t)
	}
	if want.Params == nil && (want.Dt == nil || !g.Time) {
		return
	}
	if g.Bias || g.Time {
		m.be.SumBatch(m.gsum, dy, nil)
	}
	if want.Params != nil {
		m.be.ConvGrad(want.Params[0], g, dy, x) // dw = sum_n dy (x) patches of x
		m.constantsGrad(want.Params, dy, t)
	}
	if want.Dt == nil || !g.Time {
		return
	}
	if len(want.Dt) == 1 {
		m.be.Dot(want.Dt, m.gsum, m.timeImage) // dL/dt += sum_n <dy, dy/dt>
	} else {
		m.be.DotImage(want.Dt, dy, m.timeImage)
	}
}

// constantsGrad writes the time channel of dw and all of db: gsum is the sum of dy.
func (m *affineMap) constantsGrad(params []tensor.T, dy tensor.T, t []float64) {
	g := m.layer.Geometry
	if g.Bias || g.Time {
		m.be.BiasImageGrad(params[0], m.layer.biasOf(params), g, m.gsum, oneTime(t))
	}
	if g.Time && len(t) > 1 {
		mark := m.be.Mark()
		timed := m.be.Plain(m.gsum.Shape)
		m.be.SumBatch(timed, dy, t) // sum_n t_n dy
		m.be.BiasImageGrad(params[0], tensor.T{}, g, timed, 1)
		m.be.Release(mark)
	}
}

func (m *affineMap) JVPs(ydots []tensor.T, along []Direction, t []float64, x tensor.T) {
	for i, ydot := range ydots {
		m.jvp(ydot, along[i], t, x)
	}
}

// jvp writes ydot = w * [tdot, xdot] + (wdot * [t, x] + bdot).
func (m *affineMap) jvp(ydot tensor.T, along Direction, t []float64, x tensor.T) {
	if given(along.Dx) {
		m.be.ConvForward(ydot, m.layer.Geometry, m.packed, tensor.T{}, along.Dx)
	} else {
		m.be.Combine(ydot, nil)
	}
	if m.layer.Geometry.Time && along.Dt != 0 {
		m.tdot[0] = along.Dt
		m.be.AddImages(ydot, m.tdot[:], m.timeImage)
	}
	if along.Params != nil {
		mark := m.be.Mark()
		term := m.be.Batch(ydot.N, ydot.Shape)
		m.layer.bind(m.be, along.Params).Forward(term, t, x)
		m.terms.combine(m.be, ydot, two, ydot, term)
		m.be.Release(mark)
	}
}

func (m *affineMap) PairVJPs(want Cotangents, pair Pair, t []float64, x tensor.T) {
	pair.begin(m.be, m, want, t, x)
	for i, dydot := range pair.Dydots {
		m.tangentVJP(want, pair.wantDot(i), dydot, pair.Along[i], t, x)
	}
}

// tangentVJP adds the cotangents of <dydot, ydot> to what is wanted and writes that of xdot. It uses that both terms of ydot
// are affine maps: w of the input [tdot, xdot], and (wdot, bdot) of [t, x].
func (m *affineMap) tangentVJP(want Cotangents, wantDot, dydot tensor.T, along Direction, t []float64, x tensor.T) {
	mark := m.be.Mark()
	part := Cotangents{Dx: wantDot, Params: m.partParams[:0]}
	if want.Params == nil {
		part.Params = nil
		m.VJP(part, dydot, nil, tensor.T{})
	} else {
		xdot := along.Dx
		if !given(xdot) {
			xdot = m.be.Batch(x.N, x.Shape)
			m.be.Combine(xdot, nil)
		}
		for _, p := range want.Params {
			part.Params = append(part.Params, m.be.Plain(p.Shape))
		}
		m.tdot[0] = along.Dt
		m.VJP(part, dydot, m.tdot[:], xdot)
		m.terms.combine(m.be, want.Params[0], two, want.Params[0], part.Params[0]) // ydot does not depend on the bias
	}
	if along.Params != nil {
		part = Cotangents{Dt: want.Dt}
		if given(want.Dx) {
			part.Dx = m.be.Batch(x.N, x.Shape)
		}
		m.layer.bind(m.be, along.Params).VJP(part, dydot, t, x)
		if given(want.Dx) {
			m.terms.combine(m.be, want.Dx, two, want.Dx, part.Dx)
		}
	}
	m.be.Release(mark)
}
