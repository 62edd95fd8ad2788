package nn

import (
	"fmt"

	"odepipe/pkg/backend"
	"odepipe/pkg/tensor"
)

// Chain is a composition of layers, first to last.
type Chain struct {
	In, Out tensor.Shape
	layers  []Layer
	params  []Param
}

// MaxElements bounds a sample between layers and a parameter, hence what a mistyped model file can allocate: a GiB of
// float32.
const MaxElements = 1 << 28

// elements is the size of a shape, or MaxElements + 1 if it is larger.
func elements(s tensor.Shape) int {
	n := 1
	for _, d := range s.Dim[:s.Rank] {
		if d > 0 && n > MaxElements/d {
			return MaxElements + 1
		}
		n *= d
	}
	return n
}

// NewChain builds the layers of specs one on another, starting from samples of shape in. Names of parameters are
// prefixed by their layer's last name component: "conv1.weight". Errors name the layer.
func NewChain(specs []Spec, in tensor.Shape) (*Chain, error) {
	c := &Chain{In: in, Out: in}
	if elements(in) > MaxElements {
		return nil, fmt.Errorf("input %v has more than %d elements: %w", in, MaxElements, ErrShape)
	}
	for i, s := range specs {
		layer, err := Build(s, c.Out)
		if err != nil {
			return nil, fmt.Errorf("layer %d: %w", i+1, err)
		}
		if elements(layer.Output()) > MaxElements {
			return nil, fmt.Errorf("layer %d: %s %q: output %v has more than %d elements: %w", i+1, s.Type, s.Name, layer.Output(), MaxElements, ErrShape)
		}
		c.layers = append(c.layers, layer)
		for _, p := range layer.Params() {
			if elements(p.Shape) > MaxElements {
				return nil, fmt.Errorf("layer %d: %s %q: %s %v has more than %d elements: %w", i+1, s.Type, s.Name, p.Name, p.Shape, MaxElements, ErrShape)
			}
			p.Name = s.Name + "." + p.Name
			c.params = append(c.params, p)
		}
		c.Out = layer.Output()
	}
	return c, nil
}

// Params lists the parameters of all layers in order.
func (c *Chain) Params() []Param { return c.params }

// Affine lists the affine layers in order.
func (c *Chain) Affine() []*Affine {
	var list []*Affine
	for _, l := range c.layers {
		if a, ok := l.(*Affine); ok {
			list = append(list, a)
		}
	}
	return list
}

// Bound is a chain with the weights of one step and room for the activations of n samples, in arena memory of be.
type Bound struct {
	be     backend.Backend
	maps   []Map
	counts []int      // number of parameters of each map
	z      []tensor.T // z[i]: input of map i for i > 0; z[0] is the caller's x
	g      []tensor.T // g[i]: cotangent of z[i], i > 0; made when VJP first needs it
	t      []float64
}

// Bind takes the values of Params in order, as plain tensors of be that stay unchanged while the Bound is used.
func (c *Chain) Bind(be backend.Backend, n int, values []tensor.T) *Bound {
	b := &Bound{be: be, z: make([]tensor.T, len(c.layers)), g: make([]tensor.T, len(c.layers))}
	for i, l := range c.layers {
		k := len(l.Params())
		b.maps = append(b.maps, l.Bind(be, values[:k]))
		b.counts = append(b.counts, k)
		values = values[k:]
		if i > 0 {
			b.z[i] = be.Batch(n, c.layers[i-1].Output())
		}
	}
	return b
}

// AllowVJP makes the room that VJP needs; call it once after Bind, before any Release of the arena.
func (b *Bound) AllowVJP() {
	for i := range b.g {
		if i > 0 {
			b.g[i] = b.be.Batch(b.z[i].N, b.z[i].Shape)
		}
	}
}

// Forward writes y = f(t, x) and keeps the inputs of all layers for VJP. t and x must stay unchanged until then.
func (b *Bound) Forward(y tensor.T, t []float64, x tensor.T) {
	b.Inputs(t, x)
	if last := len(b.maps) - 1; last >= 0 {
		b.maps[last].Forward(y, t, b.z[last])
	} else {
		b.be.Combine(y, []float64{1}, x)
	}
}

// Inputs does what Forward does but for the last layer: enough for VJP, where f itself is not asked for.
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

// VJP computes the cotangents of the last Forward or Inputs from dy = dL/dy: vector-Jacobian products, layer by layer backwards.
// Parameters and Tap see every layer; with want.Dx zero the first layer's input cotangent is not computed.
func (b *Bound) VJP(want Cotangents, dy tensor.T) {
	if len(b.maps) == 0 {
		if want.Dx.Shape.Rank > 0 {
			b.be.Combine(want.Dx, []float64{1}, dy)
		}
		return
	}
	end := len(want.Params)
	for i := len(b.maps) - 1; i >= 0; i-- {
		w := want
		if i > 0 {
			w.Dx = b.g[i]
		}
		if want.Params != nil {
			w.Params = want.Params[end-b.counts[i] : end]
			end -= b.counts[i]
		}
		b.maps[i].VJP(w, dy, b.t, b.z[i])
		dy = b.g[i]
	}
}
