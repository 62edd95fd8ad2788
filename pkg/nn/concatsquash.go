package nn

import (
	"odepipe/pkg/backend"
	"odepipe/pkg/tensor"
)

// concatsquash builds the gated layer of continuous flows (Grathwohl et al. 2019),
//
//	y = (W x + b) sigmoid(w_g t + b_g) + w_h t
//
// as two layers: the affine a = W x + b, and a squash of a. Parameters: weight [out, in], bias [out] unless bias = false,
// gate.weight [out, 1], gate.bias [out], shift.weight [out, 1].
func concatsquash(s Spec, in tensor.Shape) ([]Layer, error) {
	affine, err := linear(s, in)
	if err != nil {
		return nil, err
	}
	return []Layer{affine, &squash{ofTime(s.Name+".gate", s, true), ofTime(s.Name+".shift", s, false)}}, nil
}

// ofTime is an affine map of t alone, in the place of an input.
func ofTime(name string, s Spec, bias bool) *Affine {
	return &Affine{Name: name, Geometry: backend.Linear(0, s.Out, true, bias), weight: tensor.Of(s.Out, 1), output: tensor.Of(s.Out), gain: s.Gain}
}

// squash is y = a s + h with the gate s = sigmoid(p), p = w_g t + b_g, and the shift h = w_h t.
type squash struct{ gate, shift *Affine }

var _ Layer = (*squash)(nil)

// Output is [out].
func (s *squash) Output() tensor.Shape { return s.gate.output }

// Params are gate.weight, gate.bias, shift.weight.
func (s *squash) Params() []Param {
	var list []Param
	for _, p := range s.gate.Params() {
		p.Name = "gate." + p.Name
		list = append(list, p)
	}
	for _, p := range s.shift.Params() {
		p.Name = "shift." + p.Name
		list = append(list, p)
	}
	return list
}

// gateParams is the number of the gate's parameters; the shift's follow.
const gateParams = 2

// Bind binds both maps.
func (s *squash) Bind(be backend.Backend, values []tensor.T) Map {
	return &squashMap{be: be, gate: s.gate.bind(be, values[:gateParams]), shift: s.shift.bind(be, values[gateParams:])}
}

type squashMap struct {
	be          backend.Backend
	gate, shift *affineMap
	terms       terms
	ofGate      Pair // of the PairVJPs in hand
	ofShift     Pair
}

// opening is the gate at some times: images if t is the same for all samples, else batches.
type opening struct {
	s         tensor.T // sigmoid(p)
	slope     tensor.T // sigmoid'(p) = s c with c = sigmoid(-p)
	curvature tensor.T // sigmoid''(p) = s c (c - s)
}

// open computes the gate for batches like a, with its derivatives up to so high an order, in arena memory.
func (m *squashMap) open(t []float64, a tensor.T, order int) opening {
	p := m.gate.imageAt(t)
	if len(t) > 1 {
		p = m.be.Batch(a.N, a.Shape)
		m.gate.Forward(p, t, m.nothing(a))
	}
	o := opening{s: m.like(p)}
	m.be.Activate(o.s, backend.Sigmoid, p)
	if order > 0 {
		c := m.like(p)
		m.terms.combine(m.be, c, minus, p)
		m.be.Activate(c, backend.Sigmoid, c)
		o.slope = m.like(p)
		m.be.Multiply(o.slope, o.s, c)
		if order > 1 {
			o.curvature = c
			m.terms.combine(m.be, c, difference, c, o.s)
			m.be.Multiply(c, c, o.slope)
		}
	}
	return o
}

// like is room for an image or a batch like p.
func (m *squashMap) like(p tensor.T) tensor.T {
	if p.N > 0 {
		return m.be.Batch(p.N, p.Shape)
	}
	return m.be.Plain(p.Shape)
}

// nothing is the input of the gate and the shift: no features, for the samples of a.
func (m *squashMap) nothing(a tensor.T) tensor.T { return m.be.Batch(a.N, tensor.Of(0)) }

func (m *squashMap) Forward(y tensor.T, t []float64, a tensor.T) {
	mark := m.be.Mark()
	m.be.Multiply(y, a, m.open(t, a, 0).s)
	m.be.AddImages(y, t, m.shift.timeImage) // y = a s + t w_h
	m.be.Release(mark)
}

func (m *squashMap) VJP(want Cotangents, dy tensor.T, t []float64, a tensor.T) {
	mark := m.be.Mark()
	order := 0
	if gated(want) {
		order = 1
	}
	o := m.open(t, a, order)
	if gated(want) {
		dp, nothing := m.be.Batch(a.N, a.Shape), m.nothing(a)
		m.be.Multiply(dp, dy, a)
		m.be.Multiply(dp, dp, o.slope) // dp = dy a sigmoid'(p)
		m.gate.VJP(gateOf(want), dp, t, nothing)
		m.shift.VJP(shiftOf(want), dy, t, nothing)
	}
	if given(want.Dx) {
		m.be.Multiply(want.Dx, dy, o.s) // da = dy s
	}
	m.be.Release(mark)
}

// gated says whether anything is wanted that comes by way of the gate and the shift.
func gated(want Cotangents) bool {
	return want.Params != nil || want.Dt != nil || want.Each != nil || want.Tap != nil
}

// gateOf is what is wanted of the gate.
func gateOf(want Cotangents) Cotangents {
	part := Cotangents{Dt: want.Dt, Tap: want.Tap}
	if want.Params != nil {
		part.Params = want.Params[:gateParams]
	}
	if want.Each != nil {
		part.Each = want.Each[:gateParams]
	}
	return part
}

// shiftOf is what is wanted of the shift.
func shiftOf(want Cotangents) Cotangents {
	part := Cotangents{Dt: want.Dt, Tap: want.Tap}
	if want.Params != nil {
		part.Params = want.Params[gateParams:]
	}
	if want.Each != nil {
		part.Each = want.Each[gateParams:]
	}
	return part
}

// split is a direction of the gate's arguments and one of the shift's, and says whether they are not zero.
func split(along Direction) (gate, shift Direction, moved bool) {
	gate.Dt, shift.Dt = along.Dt, along.Dt
	if along.Params != nil {
		gate.Params, shift.Params = along.Params[:gateParams], along.Params[gateParams:]
	}
	return gate, shift, along.Dt != 0 || along.Params != nil
}

// JVPs writes ydot = adot s + a sigmoid'(p) pdot + hdot.
func (m *squashMap) JVPs(ydots []tensor.T, along []Direction, t []float64, a tensor.T) {
	mark := m.be.Mark()
	o, nothing, term := m.open(t, a, 1), m.nothing(a), m.be.Batch(a.N, a.Shape)
	for i, ydot := range ydots {
		if adot := along[i].Dx; given(adot) {
			m.be.Multiply(ydot, adot, o.s)
		} else {
			m.be.Combine(ydot, nil)
		}
		if gate, shift, moved := split(along[i]); moved {
			m.gate.jvp(term, gate, t, nothing)
			m.be.Multiply(term, term, a)
			m.be.Multiply(term, term, o.slope)
			m.terms.combine(m.be, ydot, two, ydot, term)
			m.shift.jvp(term, shift, t, nothing)
			m.terms.combine(m.be, ydot, two, ydot, term)
		}
	}
	m.be.Release(mark)
}

// PairVJPs differentiates s = <dy, a s + h> + sum <dydot, adot s + a sigmoid'(p) pdot + hdot>:
//
//	da = dy s + sum dydot sigmoid'(p) pdot      dadot = dydot s      dpdot = dydot a sigmoid'(p)      dhdot = dydot
//	dp = (dy a + sum dydot adot) sigmoid'(p) + sum dydot a sigmoid''(p) pdot                          dh    = dy
func (m *squashMap) PairVJPs(want Cotangents, pair Pair, t []float64, a tensor.T) {
	mark := m.be.Mark()
	o, nothing := m.open(t, a, 2), m.nothing(a)
	dp := m.ungated(want, pair, o, a)
	m.ofGate = Pair{Dy: dp, Along: m.ofGate.Along[:0], Dydots: m.ofGate.Dydots[:0]}
	m.ofShift = Pair{Dy: pair.Dy, Along: m.ofShift.Along[:0], Dydots: m.ofShift.Dydots[:0]}
	for i, dydot := range pair.Dydots {
		gate, shift, moved := split(pair.Along[i])
		if !moved {
			continue
		}
		pdot, term, dpdot := m.be.Batch(a.N, a.Shape), m.be.Batch(a.N, a.Shape), m.be.Batch(a.N, a.Shape)
		m.gate.jvp(pdot, gate, t, nothing)
		m.be.Multiply(pdot, pdot, dydot)
		if given(want.Dx) {
			m.be.Multiply(term, pdot, o.slope)
			m.terms.combine(m.be, want.Dx, two, want.Dx, term)
		}
		m.be.Multiply(term, pdot, a)
		m.be.Multiply(term, term, o.curvature)
		m.terms.combine(m.be, dp, two, dp, term)
		m.be.Multiply(dpdot, dydot, a)
		m.be.Multiply(dpdot, dpdot, o.slope)
		m.ofGate.Along, m.ofGate.Dydots = append(m.ofGate.Along, gate), append(m.ofGate.Dydots, dpdot)
		m.ofShift.Along, m.ofShift.Dydots = append(m.ofShift.Along, shift), append(m.ofShift.Dydots, dydot)
	}
	if gated(want) {
		m.gate.PairVJPs(gateOf(want), m.ofGate, t, nothing)
		m.shift.PairVJPs(shiftOf(want), m.ofShift, t, nothing)
	}
	m.be.Release(mark)
}

// ungated writes those parts of da, dadot and dp that are there if the gate does not move.
func (m *squashMap) ungated(want Cotangents, pair Pair, o opening, a tensor.T) (dp tensor.T) {
	dp = m.be.Batch(a.N, a.Shape)
	if given(pair.Dy) {
		m.be.Multiply(dp, pair.Dy, a)
	} else {
		m.be.Combine(dp, nil)
	}
	if given(want.Dx) && given(pair.Dy) {
		m.be.Multiply(want.Dx, pair.Dy, o.s)
	} else if given(want.Dx) {
		m.be.Combine(want.Dx, nil)
	}
	term := m.be.Batch(a.N, a.Shape)
	for i, dydot := range pair.Dydots {
		if adot := pair.Along[i].Dx; given(adot) && gated(want) {
			m.be.Multiply(term, dydot, adot)
			m.terms.combine(m.be, dp, two, dp, term)
		}
		if dot := pair.wantDot(i); given(dot) {
			m.be.Multiply(dot, dydot, o.s)
		}
	}
	m.be.Multiply(dp, dp, o.slope)
	return dp
}
