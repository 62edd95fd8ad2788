package optim

import (
	"fmt"
	"slices"

	"odepipe/pkg/backend"
	"odepipe/pkg/kfac"
	"odepipe/pkg/tensor"
)

// SNOpt (paper, Algorithm 2) changes the direction of a layer's step; the step itself is sgd's. With l2 the penalty
// gamma |theta|^2 / 2 is part of the loss: its gradient gamma theta is in G before preconditioning, and its curvature
// gamma I, for the whole layer by its weight's rule, is added to the damping.

// Wants says whether a step is to be given Kronecker factors: every Freq steps, and while a basis is missing.
func (o *Optimizer) Wants(step int64) bool {
	preconditioned := false
	for _, u := range o.units {
		if u.basis != nil {
			preconditioned = true
			if !u.basis.Ready {
				return true
			}
		}
	}
	return preconditioned && o.settings.Refreshes(step)
}

// Refreshes says whether an optimizer with these settings wants Kronecker factors at a step even though it has a basis.
func (s Settings) Refreshes(step int64) bool {
	s = s.complete()
	return step%s.Freq == 0 && slices.ContainsFunc(s.rules(), func(r Rule) bool { return r.Optimizer == "snopt" })
}

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
	return u, nil
}

// refresh gives every preconditioned layer the eigenbasis of its new factors.
func (o *Optimizer) refresh(factors map[string]kfac.Factors, report *Report) error {
	var units []unit
	var bases []*kfac.Eigenbasis
	var pairs []kfac.Factors
	keep := func(u unit, err error) error {
		if !u.basis.Ready {
			return fmt.Errorf("layer %s: %w", u.layer.Name, err)
		}
		report.Warnings = append(report.Warnings, fmt.Sprintf("layer %s keeps its eigenbasis: %v", u.layer.Name, err))
		return nil
	}
	for _, u := range o.units {
		if u.basis == nil {
			continue
		}
		pair, found := factors[u.layer.Name]
		if err := u.fits(pair, found); err != nil {
			if err := keep(u, err); err != nil {
				return err
			}
			continue
		}
		units, bases, pairs = append(units, u), append(bases, u.basis), append(pairs, pair)
	}
	for i, err := range kfac.Refresh(o.be, bases, pairs, o.threads) {
		if err == nil {
			report.Refreshed++
		} else if err := keep(units[i], err); err != nil {
			return err
		}
	}
	return nil
}

// fits returns ErrMismatch if a pair is missing or of the wrong shape.
func (u unit) fits(pair kfac.Factors, found bool) error {
	out, k := u.basis.Scale.Shape.Dim[0], u.basis.Scale.Shape.Dim[1]
	a, b := tensor.Of(k, k), tensor.Of(out, out)
	switch {
	case !found:
		return fmt.Errorf("%w: there are no Kronecker factors", ErrMismatch)
	case pair.A.Shape != a || pair.B.Shape != b || pair.A.N != 0 || pair.B.N != 0:
		return fmt.Errorf("%w: Kronecker factors %s and %s, not %s and %s", ErrMismatch, pair.A.Shape, pair.B.Shape, a, b)
	}
	return nil
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
