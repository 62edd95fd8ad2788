package nn

import (
	"odepipe/pkg/backend"
	"odepipe/pkg/tensor"
)

// Param is one learnable tensor of a layer, in PyTorch's layout.
type Param struct {
	Name  string // "weight", "bias"; inside a chain "conv1.weight"
	Shape tensor.Shape
	Bound float64 // initial values are drawn from U(-Bound, Bound)
}

// Layer is one map y = f(t, x) between samples of fixed shapes.
type Layer interface {
	Output() tensor.Shape
	Params() []Param
	// Bind takes the values of Params, in order, as plain tensors that stay unchanged while the Map is used.
	Bind(be backend.Backend, values []tensor.T) Map
}

// Map is a layer with weights. Batches x have the layer's input shape, y and dy its output shape. t has one element, or
// one for each sample.
type Map interface {
	// Forward writes y = f(t, x; theta).
	Forward(y tensor.T, t []float64, x tensor.T)
	// VJP computes the cotangents of <dy, y>.
	VJP(want Cotangents, dy tensor.T, t []float64, x tensor.T)
	// JVPs writes ydots[p] = f_x xdot + f_theta thetadot + f_t tdot for each direction.
	JVPs(ydots []tensor.T, along []Direction, t []float64, x tensor.T)
	// PairVJPs computes the cotangents of s = <dy, y> + sum_p <dydots[p], ydots[p]>, the ydots being those of JVPs. A Tap
	// receives the cotangent of an affine map's output in s; it needs a dy. want.Each is not computed.
	PairVJPs(want Cotangents, pair Pair, t []float64, x tensor.T)
}

// Cotangents says what a VJP is to compute from dy = dL/dy, where L is a sum over the samples of the batch. Whatever
// is zero is skipped.
type Cotangents struct {
	Dx     tensor.T   // dL/dx, overwritten; a batch of x's shape
	Params []tensor.T // dL/dparam, overwritten, in the order of Params; plain
	Dt     []float64  // dL/dt is added: with one element that of all samples, else each sample's own
	// Each is dL/dparam of each sample alone, overwritten: for each of Params a batch of vectors of its size, in row-major
	// order.
	Each []tensor.T
	Tap  Tap
}

// Tap receives the Kronecker pair of an affine layer: its input z and the cotangent g of its output, both batches,
// as they were at time t. They are valid during the call.
type Tap func(layer *Affine, z, g tensor.T, t []float64)
