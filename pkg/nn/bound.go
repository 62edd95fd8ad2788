package nn

import (
	"odepipe/pkg/backend"
	"odepipe/pkg/tensor"
)

// Bound is a chain with the weights of one step and room for the activations of n samples, in arena memory of be.
type Bound struct {
	be    backend.Backend
	maps  []Map
	first []int      // maps[i] has the parameters first[i] to first[i+1]
	z     []tensor.T // z[i]: input of map i for i > 0; z[0] is the caller's x
	g     []tensor.T // g[i]: cotangent of z[i], i > 0; made by AllowVJP
	t     []float64

	zdot, gdot []tensor.T // tangent of z[i] and its cotangent, i > 0; made by AllowJVP
	along      Direction
}

// Bind takes the values of Params in order, as plain tensors of be that stay unchanged while the Bound is used.
func (c *Chain) Bind(be backend.Backend, n int, values []tensor.T) *Bound {
	b := &Bound{be: be, first: []int{0}}
	for i, l := range c.layers {
		first := b.first[i]
		end := first + len(l.Params())
		b.first = append(b.first, end)
		b.maps = append(b.maps, l.Bind(be, values[first:end]))
	}
	room := make([]tensor.T, 4*len(c.layers))
	for _, list := range []*[]tensor.T{&b.z, &b.g, &b.zdot, &b.gdot} {
		*list, room = room[:len(c.layers)], room[len(c.layers):]
	}
	for i := 1; i < len(b.z); i++ {
		b.z[i] = be.Batch(n, c.layers[i-1].Output())
	}
	return b
}

// AllowVJP makes the room that VJP and PairVJP need; call it once after Bind, before any Release of the arena.
func (b *Bound) AllowVJP() { b.likeInputs(b.g) }

// AllowJVP makes the room that JVP and PairVJP need, likewise.
func (b *Bound) AllowJVP() {
	b.likeInputs(b.zdot)
	b.likeInputs(b.gdot)
}

// likeInputs makes a batch of the shape of every z[i], i > 0.
func (b *Bound) likeInputs(list []tensor.T) {
	for i := 1; i < len(list); i++ {
		list[i] = b.be.Batch(b.z[i].N, b.z[i].Shape)
	}
}

// Forward writes y = f(t, x) and keeps the inputs of all layers for the derivatives. t, of one element or one for each
// sample, and x must stay unchanged until then.
func (b *Bound) Forward(y tensor.T, t []float64, x tensor.T) {
	b.Inputs(t, x)
	if last := len(b.maps) - 1; last >= 0 {
		b.maps[last].Forward(y, t, b.z[last])
	} else {
		b.be.Combine(y, one, x)
	}
}

// Inputs does what Forward does but for the last layer: enough for the derivatives, where f itself is not asked for.
func (b *Bound) Inputs(t []float64, x tensor.T) {
	b.t = t
	if len(b.maps) == 0 {
		return
	}
	b.z[0] = x
	for i, m := range b.maps[:len(b.maps)-1] {
		m.Forward(b.z[i+1], t, b.z[i])
	}
}

// of is the part of map i in a list of all parameters, which may be nil.
func (b *Bound) of(i int, params []tensor.T) []tensor.T {
	if params == nil {
		return nil
	}
	return params[b.first[i]:b.first[i+1]]
}

// part is what is wanted of map i.
func (b *Bound) part(i int, want Cotangents) Cotangents {
	if i > 0 {
		want.Dx = b.g[i]
	}
	want.Params, want.Each = b.of(i, want.Params), b.of(i, want.Each)
	return want
}

// VJP computes the cotangents of the last Forward or Inputs from dy = dL/dy: vector-Jacobian products, layer by layer backwards.
// Parameters and Tap see every layer; with want.Dx zero the first layer's input cotangent is not computed.
func (b *Bound) VJP(want Cotangents, dy tensor.T) {
	if len(b.maps) == 0 && given(want.Dx) {
		b.be.Combine(want.Dx, one, dy)
	}
	for i := len(b.maps) - 1; i >= 0; i-- {
		b.maps[i].VJP(b.part(i, want), dy, b.t, b.z[i])
		dy = b.g[i]
	}
}

// direction is the tangent of the arguments of map i.
func (b *Bound) direction(i int) Direction {
	d := b.along
	if i > 0 {
		d.Dx = b.zdot[i]
	}
	d.Params = b.of(i, d.Params)
	return d
}

// JVP writes the derivative of f along a direction at the last Forward or Inputs,
//
//	ydot = f_x xdot + f_theta thetadot + f_t tdot
//
// and keeps the tangents of all layers' inputs for PairVJP. The tensors of along must stay unchanged until then.
func (b *Bound) JVP(ydot tensor.T, along Direction) {
	b.along = along
	if len(b.maps) == 0 {
		copyOrZero(b.be, ydot, along.Dx)
	}
	for i, m := range b.maps {
		out := ydot
		if i+1 < len(b.maps) {
			out = b.zdot[i+1]
		}
		m.JVP(out, b.direction(i), b.t, b.z[i])
	}
}

// PairVJP computes the cotangents of the pair (y, ydot) of the last JVP: for s = <dy, y> + <dydot, ydot>, summed over the
// samples,
//
//	want.Dx = ds/dx   want.Params = ds/dtheta   want.Dt += ds/dt   wantDot = ds/dxdot
//
// of which the zero ones are skipped. dy may be the zero T for 0. It panics if want has Each or a Tap.
func (b *Bound) PairVJP(want Cotangents, wantDot, dy, dydot tensor.T) {
	if want.Tap != nil || want.Each != nil {
		panic("nn: a pair has no cotangents by sample and no Kronecker factors")
	}
	if len(b.maps) == 0 {
		if given(want.Dx) {
			copyOrZero(b.be, want.Dx, dy)
		}
		if given(wantDot) {
			b.be.Combine(wantDot, one, dydot)
		}
	}
	for i := len(b.maps) - 1; i >= 0; i-- {
		w, dot := b.part(i, want), wantDot
		if i > 0 {
			dot = b.gdot[i]
		}
		if given(dy) {
			b.maps[i].VJP(w, dy, b.t, b.z[i])
		} else {
			b.clear(w)
		}
		b.maps[i].TangentVJP(w, dot, dydot, b.direction(i), b.t, b.z[i])
		dy, dydot = b.g[i], b.gdot[i]
	}
}

// clear writes the cotangents of dy = 0.
func (b *Bound) clear(want Cotangents) {
	if given(want.Dx) {
		b.be.Combine(want.Dx, nil)
	}
	for _, p := range want.Params {
		b.be.Combine(p, nil)
	}
}
