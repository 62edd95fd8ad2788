package nn

import (
	"odepipe/pkg/backend"
	"odepipe/pkg/tensor"
)

// GRUCell is a gated recurrent unit (Cho et al. 2014, with the reset gate as PyTorch has it), which takes an observation x
// [C] into a hidden state h [m]:
//
//	r = sigmoid(W_r [x, h] + b_r)      z = sigmoid(W_z [x, h] + b_z)
//	n = tanh(W_x x + b_x + r (W_h h + b_h))
//	h' = (1 - z) n + z h
type GRUCell struct {
	observation, hidden int
	maps                [gruMaps]*Affine
}

// The affine maps of a cell in the order of its parameters.
const (
	i2r = iota // [x, h] -> r
	i2z        // [x, h] -> z
	x2n        // x -> n
	h2n        // h -> n
	gruMaps
)

// NewGRUCell makes a cell for observations of C values and m hidden ones, both positive. Its maps and parameters are named
// name.i2r, name.i2r.weight and so on.
func NewGRUCell(name string, observation, hidden int) *GRUCell {
	c := &GRUCell{observation: observation, hidden: hidden}
	for i, m := range [gruMaps]struct {
		name string
		in   int
	}{{"i2r", observation + hidden}, {"i2z", observation + hidden}, {"x2n", observation}, {"h2n", hidden}} {
		c.maps[i] = &Affine{Name: name + "." + m.name, Geometry: backend.Linear(m.in, hidden, false, true),
			weight: tensor.Of(hidden, m.in), output: tensor.Of(hidden), gain: 1}
	}
	return c
}

// Params are i2r.weight [m, C+m], i2r.bias [m], i2z.weight [m, C+m], i2z.bias [m], x2n.weight [m, C], x2n.bias [m],
// h2n.weight [m, m], h2n.bias [m].
func (c *GRUCell) Params() []Param {
	var list []Param
	for _, m := range c.maps {
		for _, p := range m.Params() {
			p.Name = m.Name + "." + p.Name
			list = append(list, p)
		}
	}
	return list
}

// Affine lists the maps in the order of their parameters.
func (c *GRUCell) Affine() []*Affine { return c.maps[:] }

// Bind takes the values of Params in order, as plain tensors of be that stay unchanged while the BoundGRU is used, and makes
// room for n samples in arena memory.
func (c *GRUCell) Bind(be backend.Backend, n int, values []tensor.T) *BoundGRU {
	b := &BoundGRU{be: be, cell: c, joined: be.Batch(n, tensor.Of(c.observation+c.hidden))}
	for i, m := range c.maps {
		b.maps[i] = m.bind(be, values[2*i:2*i+2])
		b.grads[2*i], b.grads[2*i+1] = be.Plain(values[2*i].Shape), be.Plain(values[2*i+1].Shape)
	}
	for _, x := range []*tensor.T{&b.r, &b.z, &b.n, &b.u, &b.change} {
		*x = be.Batch(n, tensor.Of(c.hidden))
	}
	return b
}

// BoundGRU is a cell with the weights of one step. It keeps what VJP needs of the last Forward.
type BoundGRU struct {
	be   backend.Backend
	cell *GRUCell
	maps [gruMaps]*affineMap

	x, h, joined tensor.T // joined is [x, h]
	r, z, n      tensor.T
	u            tensor.T // W_h h + b_h
	change       tensor.T // h - n

	grads [2 * gruMaps]tensor.T // scratch: the parameters' cotangents of one call
	terms terms
}

// GRUCotangents says what VJP is to compute from dhnext = dL/dh'. Whatever is zero is skipped.
type GRUCotangents struct {
	Dh     tensor.T   // dL/dh, overwritten; it may be dhnext
	Dx     tensor.T   // dL/dx, overwritten
	Params []tensor.T // dL/dparam is added, so that they sum up over a series; plain, in the order of Params
	Tap    Tap        // receives the Kronecker pair of each map
}

// noTime is the t of layers that do not look at it.
var noTime = []float64{0}

// Forward writes h'; x and h must stay unchanged until the VJP.
func (b *BoundGRU) Forward(hnext, x, h tensor.T) {
	be := b.be
	b.x, b.h = x, h
	be.Join(b.joined, x, h)
	b.maps[i2r].Forward(b.r, noTime, b.joined)
	be.Activate(b.r, backend.Sigmoid, b.r)
	b.maps[i2z].Forward(b.z, noTime, b.joined)
	be.Activate(b.z, backend.Sigmoid, b.z)
	b.maps[x2n].Forward(b.n, noTime, x)
	b.maps[h2n].Forward(b.u, noTime, h)
	be.Multiply(b.change, b.r, b.u)
	b.combine(b.n, two, b.n, b.change)
	be.Activate(b.n, backend.Tanh, b.n)
	b.combine(b.change, difference, h, b.n)
	be.Multiply(hnext, b.z, b.change)
	b.combine(hnext, two, hnext, b.n) // h' = n + z (h - n)
}

// VJP computes the cotangents of <dhnext, h'> at the last Forward. With q = W_x x + b_x + r u the argument of tanh, and rho
// and zeta those of r and z,
//
//	dq = dh' (1 - z) (1 - n^2)      du = dq r      drho = dq u r (1 - r)      dzeta = dh' (h - n) z (1 - z)
//	dh = dh' z + W_h^T du + the part of h in W_r^T drho + W_z^T dzeta      dx likewise, with W_x^T dq
func (b *BoundGRU) VJP(want GRUCotangents, dhnext tensor.T) {
	be := b.be
	mark := be.Mark()
	dq, du, drho, dzeta, square := b.like(b.n), b.like(b.n), b.like(b.n), b.like(b.n), b.like(b.n)
	be.Multiply(square, b.z, b.z)
	b.combine(square, difference, b.z, square)
	be.Multiply(dzeta, dhnext, b.change)
	be.Multiply(dzeta, dzeta, square)

	be.Multiply(du, dhnext, b.z) // dh' z, for a while
	b.combine(dq, difference, dhnext, du)
	be.Multiply(square, b.n, b.n)
	be.Multiply(square, square, dq)
	b.combine(dq, difference, dq, square)
	if given(want.Dh) {
		b.combine(want.Dh, one, du)
	}

	be.Multiply(du, dq, b.r)
	be.Multiply(square, du, b.r)
	b.combine(drho, difference, du, square) // dq r (1 - r)
	be.Multiply(drho, drho, b.u)
	b.pull(want, dq, du, drho, dzeta)
	be.Release(mark)
}

// pull takes the cotangents of the four maps' outputs back to what is wanted; Dh has got dh' z.
func (b *BoundGRU) pull(want GRUCotangents, dq, du, drho, dzeta tensor.T) {
	var byR, byZ, part, ofX tensor.T
	if given(want.Dh) || given(want.Dx) {
		byR, byZ = b.like(b.joined), b.like(b.joined)
	}
	if given(want.Dh) {
		part = b.like(b.h)
	}
	if given(want.Dx) {
		ofX = b.like(b.x)
	}
	b.pullMap(i2r, want, byR, drho, b.joined)
	b.pullMap(i2z, want, byZ, dzeta, b.joined)
	b.pullMap(x2n, want, want.Dx, dq, b.x)
	b.pullMap(h2n, want, part, du, b.h)
	if given(byR) {
		b.combine(byR, two, byR, byZ)
	}
	if given(want.Dh) {
		b.combine(want.Dh, two, want.Dh, part)
		b.be.Part(part, byR, b.cell.observation)
		b.combine(want.Dh, two, want.Dh, part)
	}
	if given(want.Dx) {
		b.be.Part(ofX, byR, 0)
		b.combine(want.Dx, two, want.Dx, ofX)
	}
}

// pullMap takes the cotangent g of one map's output back: to dx, if given, and to the sum of its parameters' cotangents.
func (b *BoundGRU) pullMap(i int, want GRUCotangents, dx, g, x tensor.T) {
	part := Cotangents{Dx: dx, Tap: want.Tap}
	if want.Params != nil {
		part.Params = b.grads[2*i : 2*i+2]
	}
	b.maps[i].VJP(part, g, noTime, x)
	for k, grad := range part.Params {
		b.combine(want.Params[2*i+k], two, want.Params[2*i+k], grad)
	}
}

// like is room for a batch like x.
func (b *BoundGRU) like(x tensor.T) tensor.T { return b.be.Batch(x.N, x.Shape) }

// combine writes dst = sum_i coef[i] x[i].
func (b *BoundGRU) combine(dst tensor.T, coef []float64, x ...tensor.T) {
	b.terms.combine(b.be, dst, coef, x...)
}
