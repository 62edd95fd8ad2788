package model

import (
	"fmt"
	"slices"

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
	Output   tensor.Shape // of one sample, as the loss takes it
	Pred     tensor.Shape // of one sample, as the column pred has it: Output, or [1] for the log-density of a flow

	elements int // of all parameters
}

// Segment is a run of plain layers, or one ODE block.
type Segment struct {
	Chain  *nn.Chain   // the layers, or the field F
	ODE    *ODESpec    // nil for plain layers
	Cell   *nn.GRUCell // of a series, else nil
	In     tensor.Shape
	Params [2]int // half-open range in Network.Params: of the chain, then of the cell
}

// Param is a parameter with its full name, "ode.conv1.weight".
type Param struct {
	nn.Param
	Layer string // "ode.conv1"
}

// NewNetwork builds the segments one on another. Errors wrap ErrModel and say which layer got and expected which shape.
func NewNetwork(s *Spec) (*Network, error) {
	if err := checkFlow(s); err != nil {
		return nil, err
	}
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
	n.Pred = n.Output
	if l.Density {
		n.Pred = tensor.Of(1)
	}
	return n, nil
}

// checkFlow wants loss = "nll" of models whose blocks all are of type cnf, and of no others.
func checkFlow(s *Spec) error {
	l, _ := loss.ByName(s.Loss)
	for i, b := range s.Blocks {
		if flow := b.ODE != nil && b.ODE.Flow != nil; flow != l.Density {
			if l.Density {
				return fmt.Errorf("%w: block %d: with loss = %q all blocks must be of type cnf", ErrModel, i+1, s.Loss)
			}
			return fmt.Errorf("%w: block %d: type cnf needs loss = \"nll\"", ErrModel, i+1)
		}
	}
	if l.Density && s.Input.Rank != 1 {
		return fmt.Errorf("%w: a flow needs input = [features], not %v", ErrModel, s.Input)
	}
	return nil
}

func (n *Network) add(specs []nn.Spec, o *ODESpec) error {
	segment := Segment{ODE: o, In: n.Output}
	in := n.Output
	if o != nil && o.Series != nil {
		if in.Rank != 2 || len(n.Segments) > 0 {
			return fmt.Errorf("%w: block %q: a series needs input = [points, channels] and comes first, here is %v", ErrModel, o.Name, in)
		}
		segment.Cell = nn.NewGRUCell(o.Name, o.Series.Inputs(in.Dim[1]), o.Series.Hidden)
		in = tensor.Of(o.Series.Hidden)
	}
	var err error
	if segment.Chain, err = nn.NewChain(specs, in); err != nil {
		if o != nil {
			return fmt.Errorf("%w: block %q: %w", ErrModel, o.Name, err)
		}
		return fmt.Errorf("%w: %w", ErrModel, err)
	}
	if o != nil && segment.Chain.Out != in {
		return fmt.Errorf("%w: block %q: the field maps %v to %v, an ODE needs the same shape", ErrModel, o.Name, in, segment.Chain.Out)
	}
	params := segment.Chain.Params()
	if segment.Cell != nil {
		params = append(slices.Clone(params), segment.Cell.Params()...)
	}
	from := len(n.Params)
	for _, p := range params {
		if slices.ContainsFunc(n.Params, func(q Param) bool { return q.Name == p.Name }) {
			return fmt.Errorf("%w: there are two parameters %s", ErrModel, p.Name)
		}
		n.Params = append(n.Params, Param{Param: p, Layer: layerOf(p.Name)})
		if n.elements += p.Shape.Size(); n.elements > nn.MaxElements {
			return fmt.Errorf("%w: with %s the parameters have more than %d elements", ErrModel, p.Name, nn.MaxElements)
		}
	}
	segment.Params = [2]int{from, len(n.Params)}
	n.Segments = append(n.Segments, segment)
	n.Output = segment.Chain.Out
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
