package optim

import (
	"fmt"

	"odepipe/pkg/backend"
	"odepipe/pkg/kfac"
	"odepipe/pkg/tensor"
)

// SNOpt (paper, Algorithm 2) changes the direction of a layer's step; the step itself is sgd's. With l2 the penalty
// gamma |theta|^2 / 2 is part of the loss: its gradient gamma theta is in G before preconditioning, and its curvature
// gamma I, for the whole layer by its weight's rule, is added to the damping.

// layerUnit is the unit of a layer of which at least one parameter is to be preconditioned.
func (o *Optimizer) layerUnit(l Layer) (unit, error) {
	weight := o.named(l.Weight)
	u := unit{layer: l, members: []*param{weight}}
	if l.Bias != "" {
		bias := o.named(l.Bias)
		u.members = append(u.members, bias)
		w, b := weight.rule, bias.rule
		if w.Optimizer != b.Optimizer || w.Eps != b.Eps || w.Alpha != b.Alpha {
			return unit{}, fmt.Errorf("%w: %s and %s share Kronecker factors: optimizer, eps and alpha must be the same", ErrSetting, l.Weight, l.Bias)
		}
	}
	shape := weight.Param.Value.Shape
	out := shape.Dim[0]
	inputs := shape.Size() / out
	if l.Bias != "" {
		inputs++
	}
	if side := max(out, inputs); side > kfac.MaxSide {
		return unit{}, fmt.Errorf("%w: layer %s has a Kronecker factor of side %d, more than %d: give it another optimizer with a group", ErrSetting, l.Name, side, kfac.MaxSide)
	}
	u.basis = kfac.NewEigenbasis(o.be, out, shape.Size()/out, l.Bias != "")
	if o.settings.FactorDecay != 0 {
		u.average = kfac.Factors{A: zeros(o.be, tensor.Of(inputs, inputs)), B: zeros(o.be, tensor.Of(out, out))}
	}
	return u, nil
}

// precondition turns the gradients of the layer's weight and bias into directions, in the arena's memory.
func (u unit) precondition(be backend.Backend, grads [2]tensor.T, in kfac.Inversion) (directions [2]tensor.T) {
	g := kfac.Gradient{Weight: grads[0], Bias: grads[1]}
	d := kfac.Gradient{Weight: be.Plain(g.Weight.Shape)}
	if len(u.members) > 1 {
		d.Bias = be.Plain(g.Bias.Shape)
	}
	u.basis.Precondition(be, d, g, in)
	return [2]tensor.T{d.Weight, d.Bias}
}
