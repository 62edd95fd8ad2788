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

	layers     []Layer
	zdot, gdot [][]tensor.T // tangents of z[i] and their cotangents, i > 0; made by AllowProbes or, gdot not, AllowJVPs
	along      []Direction  // of the last JVPs
	part       []Direction  // scratch: along for one map

	terms  terms
	single struct { // the lists of JVP and PairVJP
		along                [1]Direction
		ydot, wantDot, dydot [1]tensor.T
	}
}

// Bind takes the values of Params in order, as plain tensors of be that stay unchanged while the Bound is used.
func (c *Chain) Bind(be backend.Backend, n int, values []tensor.T) *Bound {
	b := &Bound{be: be, first: []int{0}, layers: c.layers}
	for i, l := range c.layers {
		first := b.first[i]
		end := first + len(l.Params())
		b.first = append(b.first, end)
		b.maps = append(b.maps, l.Bind(be, values[first:end]))
	}
	b.z, b.g = make([]tensor.T, len(c.layers)), make([]tensor.T, len(c.layers))
	b.zdot, b.gdot = make([][]tensor.T, len(c.layers)), make([][]tensor.T, len(c.layers))
	for i := 1; i < len(b.z); i++ {
		if c.inPlace(i - 1) {
			b.z[i] = b.z[i-1]
		} else {
			b.z[i] = be.Batch(n, c.layers[i-1].Output())
		}
	}
	return b
}

// AllowVJP makes the room that VJP and PairVJP need; call it once after Bind, before any Release of the arena.
func (b *Bound) AllowVJP() {
	if len(b.z) < 2 {
		return
	}
	place := b.turns()
	for i := len(b.g) - 1; i > 0; i-- {
		b.g[i] = place(i)
	}
}

// shifts divides the inputs of all layers, or things like these, between two places in which they can take turns, since
// each is needed until the next, of its neighbour, is known: turn[i] is the place of the i-th, size what a sample takes of
// both. Those on both sides of an activation, which works in place, have the same.
func (b *Bound) shifts() (turn []int, size [2]int) {
	turn = make([]int, len(b.z))
	for i := 1; i < len(b.z); i++ {
		turn[i] = turn[i-1]
		if _, inPlace := b.layers[i-1].(activation); !inPlace || i == 1 {
			turn[i] = 1 - turn[i]
		}
		size[turn[i]] = max(size[turn[i]], b.z[i].Shape.Size())
	}
	return turn, size
}

// TangentElements is the numbers of a sample in the room that AllowJVPs makes for one tangent.
func (b *Bound) TangentElements() int {
	_, size := b.shifts()
	return size[0] + size[1]
}

// turns makes both places and says which is that of the i-th.
func (b *Bound) turns() func(i int) tensor.T {
	turn, size := b.shifts()
	n := b.z[1].N
	places := [2]tensor.T{b.be.Batch(n, tensor.Of(size[0])), b.be.Batch(n, tensor.Of(size[1]))}
	return func(i int) tensor.T { return b.be.View(places[turn[i]], 0, n, b.z[i].Shape) }
}

// AllowJVP makes the room that JVP and PairVJP need, likewise.
func (b *Bound) AllowJVP() { b.AllowProbes(1) }

// AllowProbes makes the room that JVPs and PairVJPs need for n tangents, likewise.
func (b *Bound) AllowProbes(n int) {
	for i := 1; i < len(b.z); i++ {
		b.zdot[i], b.gdot[i] = make([]tensor.T, n), make([]tensor.T, n)
		for p := range n {
			b.zdot[i][p] = b.be.Batch(b.z[i].N, b.z[i].Shape)
		}
	}
	b.takeTurns(b.gdot, n)
}

// AllowJVPs makes the room that JVPs alone need for n tangents, likewise.
func (b *Bound) AllowJVPs(n int) {
	for i := 1; i < len(b.z); i++ {
		b.zdot[i] = make([]tensor.T, n)
	}
	b.takeTurns(b.zdot, n)
}

// takeTurns makes places for n tangents or their cotangents.
func (b *Bound) takeTurns(lists [][]tensor.T, n int) {
	for p := 0; p < n && len(b.z) > 1; p++ {
		place := b.turns()
		for i := 1; i < len(b.z); i++ {
			lists[i][p] = place(i)
		}
	}
}

// Forward writes y = f(t, x) and keeps the inputs of all layers for the derivatives. t, of one element or one for each
// sample, and x must stay unchanged until then.
func (b *Bound) Forward(y tensor.T, t []float64, x tensor.T) {
	b.Inputs(t, x)
	if last := len(b.maps) - 1; last >= 0 {
		b.maps[last].Forward(y, t, b.z[last])
	} else {
		b.terms.combine(b.be, y, one, x)
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

// wantOf is what is wanted of map i.
func (b *Bound) wantOf(i int, want Cotangents) Cotangents {
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
		b.terms.combine(b.be, want.Dx, one, dy)
	}
	for i := len(b.maps) - 1; i >= 0; i-- {
		b.maps[i].VJP(b.wantOf(i, want), dy, b.t, b.z[i])
		dy = b.g[i]
	}
}

// alongOf are the tangents of the arguments of map i.
func (b *Bound) alongOf(i int) []Direction {
	b.part = b.part[:0]
	for p, d := range b.along {
		if i > 0 {
			d.Dx = b.zdot[i][p]
		}
		d.Params = b.of(i, d.Params)
		b.part = append(b.part, d)
	}
	return b.part
}

// JVPs writes the derivatives of f along some directions at the last Forward or Inputs,
//
//	ydots[p] = f_x xdot + f_theta thetadot + f_t tdot     with the p-th (xdot, thetadot, tdot)
//
// and keeps the tangents of all layers' inputs for PairVJPs. The tensors of along must stay unchanged until then. It panics
// if there is no room for so many tangents.
func (b *Bound) JVPs(ydots []tensor.T, along []Direction) {
	b.along = append(b.along[:0], along...)
	if len(b.maps) == 0 {
		for p, ydot := range ydots {
			b.terms.copyOrZero(b.be, ydot, along[p].Dx)
		}
	}
	for i, m := range b.maps {
		out := ydots
		if i+1 < len(b.maps) {
			out = b.zdot[i+1][:len(along)]
		}
		m.JVPs(out, b.alongOf(i), b.t, b.z[i])
	}
}

// JVP is JVPs along one direction.
func (b *Bound) JVP(ydot tensor.T, along Direction) {
	b.single.ydot[0], b.single.along[0] = ydot, along
	b.JVPs(b.single.ydot[:], b.single.along[:])
}

// PairVJPs computes the cotangents of y with all tangents of the last JVPs: for s = <dy, y> + sum_p <dydots[p], ydots[p]>,
// summed over the samples,
//
//	want.Dx = ds/dx   want.Params = ds/dtheta   want.Dt += ds/dt   wantDots[p] = ds/dxdots[p]
//
// of which the zero ones are skipped; the list wantDots may be nil. dy may be the zero T for 0, unless there is a Tap. That
// gets each affine layer's input z with the cotangent of its output in s: the Kronecker pair of a field that has the ydots
// for parts. The second pair of such a field, xdots with the cotangents of the layer's own tangents, is left out. It panics
// if want has Each.
func (b *Bound) PairVJPs(want Cotangents, wantDots []tensor.T, dy tensor.T, dydots []tensor.T) {
	if want.Each != nil || want.Tap != nil && !given(dy) || len(dydots) != len(b.along) {
		panic("nn: a pair has no cotangents by sample, no Kronecker factors without dy, and as many tangents as JVPs")
	}
	pair := Pair{Dy: dy, Dydots: dydots, WantDots: wantDots}
	if len(b.maps) == 0 {
		b.identityPair(want, pair)
	}
	for i := len(b.maps) - 1; i >= 0; i-- {
		pair.Along, pair.WantDots = b.alongOf(i), wantDots
		if i > 0 {
			pair.WantDots = b.gdot[i][:len(dydots)]
		}
		b.maps[i].PairVJPs(b.wantOf(i, want), pair, b.t, b.z[i])
		pair.Dy, pair.Dydots = b.g[i], pair.WantDots
	}
}

// PairVJP is PairVJPs for the one tangent of the last JVP.
func (b *Bound) PairVJP(want Cotangents, wantDot, dy, dydot tensor.T) {
	b.single.wantDot[0], b.single.dydot[0] = wantDot, dydot
	b.PairVJPs(want, b.single.wantDot[:], dy, b.single.dydot[:])
}

// identityPair is PairVJPs of a chain without layers.
func (b *Bound) identityPair(want Cotangents, pair Pair) {
	if given(want.Dx) {
		b.terms.copyOrZero(b.be, want.Dx, pair.Dy)
	}
	for p, dydot := range pair.Dydots {
		if dot := pair.wantDot(p); given(dot) {
			b.terms.combine(b.be, dot, one, dydot)
		}
	}
}
