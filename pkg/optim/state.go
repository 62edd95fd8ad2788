package optim

import (
	"fmt"

	"odepipe/pkg/tensor"
)

// State is one tensor that later steps depend on, a row of a checkpoint with role "state.<What>".
type State struct {
	Name string // of a parameter, or of a layer
	What string
	T    tensor.T // plain
}

// State lists all of them in a fixed order, with the backend's own tensors: momentum, or mean and square, of each
// parameter and the diagonal of its Hessian once it has been given, what adaptive damping knows of the loss and a
// trained t1 of its derivatives, and basis_weight, basis_bias, basis_output and scale of each layer that has been
// refreshed, with values_input and values_output, average_a and average_b where those are looked at.
func (o *Optimizer) State() []State {
	var list []State
	for _, s := range o.slots() {
		if s.ready == nil || *s.ready {
			list = append(list, s.state)
		}
	}
	return list
}

// Restore takes back what State listed, so that the next Step does, to the bit, what it would have done. Tensors
// hold host buffers; their order does not matter. It returns ErrMismatch if one is missing, unknown, twice there, or of
// another shape; nothing is restored then.
func (o *Optimizer) Restore(list []State) error {
	type key struct{ name, what string }
	slots, at := o.slots(), map[key]int{}
	for i, s := range slots {
		at[key{s.state.Name, s.state.What}] = i
	}
	values := make([]tensor.T, len(slots))
	given := make([]bool, len(slots))
	present := map[*bool]bool{nil: true} // a layer is saved without a basis before its first refresh
	for _, s := range list {
		i, known := at[key{s.Name, s.What}]
		switch {
		case !known:
			return fmt.Errorf("%w: state %s of %s belongs to nothing", ErrMismatch, s.What, s.Name)
		case given[i]:
			return fmt.Errorf("%w: state %s of %s is there twice", ErrMismatch, s.What, s.Name)
		case s.T.Shape != slots[i].state.T.Shape:
			return fmt.Errorf("%w: state %s of %s has shape %s, not %s", ErrMismatch, s.What, s.Name, s.T.Shape, slots[i].state.T.Shape)
		}
		values[i], given[i], present[slots[i].ready] = s.T, true, true
	}
	for i, s := range slots {
		if present[s.ready] && !given[i] {
			return fmt.Errorf("%w: state %s of %s is missing", ErrMismatch, s.state.What, s.state.Name)
		}
	}
	for i, s := range slots {
		if given[i] {
			o.be.Upload(s.state.T, values[i].Buf)
		}
		if s.ready != nil {
			*s.ready = given[i]
		}
	}
	return nil
}

// slot is a place for a State; ready says whether it holds anything yet, nil that it always does.
type slot struct {
	state State
	ready *bool
}

// slots lists the places of all State there can be.
func (o *Optimizer) slots() []slot {
	var list []slot
	for _, p := range o.params {
		for _, s := range p.update.state() {
			s.Name = p.Param.Name
			list = append(list, slot{state: s})
		}
	}
	if o.marquardt != nil {
		list = append(list, slot{state: State{"loss", "damping", o.marquardt.state.tensor}})
		for _, p := range o.params {
			list = append(list, slot{state: State{p.Param.Name, "change", o.marquardt.change[p.Param.Name]}})
		}
	}
	if o.settings.Horizon != "fixed" {
		for _, h := range o.horizons {
			list = append(list, slot{state: State{h.block.Name, "horizon", h.state.tensor}})
		}
	}
	for _, u := range o.units {
		if u.newton != nil {
			list = append(list, slot{State{u.members[0].Param.Name, "diagonal", u.newton.diagonal}, &u.newton.ready})
		}
		if u.basis == nil {
			continue
		}
		add := func(what string, t tensor.T) {
			list = append(list, slot{State{u.layer.Name, what, t}, &u.basis.Ready})
		}
		add("basis_weight", u.basis.Weight)
		if u.layer.Bias != "" {
			add("basis_bias", u.basis.Bias)
		}
		add("basis_output", u.basis.Output)
		add("scale", u.basis.Scale)
		if o.settings.FactorDecay != 0 {
			add("average_a", u.average.A)
			add("average_b", u.average.B)
		}
		if o.settings.usesSpectra() {
			add("values_input", u.basis.Inputs)
			add("values_output", u.basis.Outputs)
		}
	}
	return list
}
