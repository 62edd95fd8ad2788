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
		layers, err := Build(s, c.Out)
		if err != nil {
			return nil, fmt.Errorf("layer %d: %w", i+1, err)
		}
		for _, layer := range layers {
			if err := c.add(s, layer); err != nil {
				return nil, fmt.Errorf("layer %d: %s %q: %w", i+1, s.Type, s.Name, err)
			}
		}
	}
	return c, nil
}

// add appends a layer of the spec. The error says what of it is too large.
func (c *Chain) add(s Spec, layer Layer) error {
	if elements(layer.Output()) > MaxElements {
		return fmt.Errorf("output %v has more than %d elements: %w", layer.Output(), MaxElements, ErrShape)
	}
	c.layers = append(c.layers, layer)
	for _, p := range layer.Params() {
		if elements(p.Shape) > MaxElements {
			return fmt.Errorf("%s %v has more than %d elements: %w", p.Name, p.Shape, MaxElements, ErrShape)
		}
		p.Name = s.Name + "." + p.Name
		c.params = append(c.params, p)
	}
	c.Out = layer.Output()
	return nil
}

// Params lists the parameters of all layers in order.
func (c *Chain) Params() []Param { return c.params }

// inPlace says whether a layer overwrites its input: relu, whose derivative its result tells too, except at the chain's own
// input.
func (c *Chain) inPlace(layer int) bool {
	a, ok := c.layers[layer].(activation)
	return ok && a.function == backend.ReLU && layer > 0
}

// Elements is how many numbers of a sample a Bound keeps between the layers.
func (c *Chain) Elements() int {
	n := 0
	for i := range len(c.layers) - 1 {
		if !c.inPlace(i) {
			n += c.layers[i].Output().Size()
		}
	}
	return n
}

// Affine lists the affine maps of all layers in order.
func (c *Chain) Affine() []*Affine {
	var list []*Affine
	for _, l := range c.layers {
		switch l := l.(type) {
		case *Affine:
			list = append(list, l)
		case *squash:
			list = append(list, l.gate, l.shift)
		}
	}
	return list
}
