package model

import (
	"fmt"

	"odepipe/pkg/loss"
	"odepipe/pkg/nn"
	"odepipe/pkg/tensor"
)

// Network is a model with all shapes known.
type Network struct {
	Spec     *Spec
	Loss     loss.Loss
	Segments []Segment
	Params   []Param      // of all segments in order, as in the checkpoint
	Output   tensor.Shape // of one sample

	elements int // of all parameters
}

// Segment is a run of plain layers, or one ODE block.
type Segment struct {
	Chain  *nn.Chain // the layers, or the field F
	ODE    *ODESpec  // nil for plain layers
	Params [2]int    // half-open range in Network.Params
}

// Param is a parameter with its full name, "ode.conv1.weight".
type Param struct {
	nn.Param
	Layer string // "ode.conv1"
}

// NewNetwork builds the segments one on another. Errors wrap ErrModel and say which layer got and expected which shape.
func NewNetwork(s *Spec) (*Network, error) {
	l, _ := loss.ByName(s.Loss)
	n := &Network{Spec: s, Loss: l, Output: s.Input}
	var plain []nn.Spec
	for i, b := range s.Blocks {
		if b.Layer != nil {
			plain = append(plain, *b.Layer)
		}
		if len(plain) > 0 && (b.ODE != nil || i == len(s.Blocks)-1) {
			if err := n.add(plain, nil); err != nil {
				return nil, err
			}
			plain = nil
		}
		if b.ODE == nil {
			continue
		}
		field := make([]nn.Spec, len(b.ODE.Field))
		for j, f := range b.ODE.Field {
			if f.Name != "" {
				f.Name = b.ODE.Name + "." + f.Name
			}
			field[j] = f
		}
		if err := n.add(field, b.ODE); err != nil {
			return nil, err
		}
	}
	return n, nil
}

func (n *Network) add(specs []nn.Spec, o *ODESpec) error {
	chain, err := nn.NewChain(specs, n.Output)
	if err != nil {
		if o != nil {
			return fmt.Errorf("%w: block %q: %w", ErrModel, o.Name, err)
		}
		return fmt.Errorf("%w: %w", ErrModel, err)
	}
	if o != nil && chain.Out != n.Output {
		return fmt.Errorf("%w: block %q: the field maps %v to %v, an ODE needs the same shape", ErrModel, o.Name, n.Output, chain.Out)
	}
	from := len(n.Params)
	for _, p := range chain.Params() {
		n.Params = append(n.Params, Param{Param: p, Layer: layerOf(p.Name)})
		if n.elements += p.Shape.Size(); n.elements > nn.MaxElements {
			return fmt.Errorf("%w: with %s the parameters have more than %d elements", ErrModel, p.Name, nn.MaxElements)
		}
	}
	n.Segments = append(n.Segments, Segment{Chain: chain, ODE: o, Params: [2]int{from, len(n.Params)}})
	n.Output = chain.Out
	return nil
}

// layerOf is a parameter's name without its last component.
func layerOf(name string) string {
	for i := len(name) - 1; i >= 0; i-- {
		if name[i] == '.' {
			return name[:i]
		}
	}
	return ""
}

// Affine lists the affine layers of all segments in order: those with Kronecker factors.
func (n *Network) Affine() []*nn.Affine {
	var list []*nn.Affine
	for _, s := range n.Segments {
		list = append(list, s.Chain.Affine()...)
	}
	return list
}

// ODEs lists the ODE blocks in order.
func (n *Network) ODEs() []*ODESpec {
	var list []*ODESpec
	for _, s := range n.Segments {
		if s.ODE != nil {
			list = append(list, s.ODE)
		}
	}
	return list
}
