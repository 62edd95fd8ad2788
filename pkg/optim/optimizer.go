package optim

import (
	"errors"
	"fmt"

	"odepipe/pkg/backend"
	"odepipe/pkg/kfac"
	"odepipe/pkg/tensor"
)

// numerical is a floating-point outcome; commands exit with a status of their own for it.
type numerical string

func (e numerical) Error() string { return string(e) }
func (numerical) Numerical() bool { return true }

// Errors of New, Step and Restore, beside ErrSetting.
var (
	ErrNonFinite error = numerical("optim: not finite")
	ErrMismatch        = errors.New("optim: tensors do not fit the optimizer")
)

// Param is one parameter: a plain tensor of the backend, which Step changes in place.
type Param struct {
	Name  string
	Value tensor.T
}

// Layer names an affine layer that Kronecker factors exist for. Its weight [Out, ...] is, as a matrix, [Out, FanIn].
type Layer struct {
	Name   string // of the factors
	Weight string // names of parameters
	Bias   string // empty if it has none
}

// Parts are what an optimizer knows of a network.
type Parts struct {
	Params []Param
	Layers []Layer
	Blocks []Block
}

// Optimizer changes a list of parameters step by step. It is used by the goroutine that uses its backend.
type Optimizer struct {
	be        backend.Backend
	settings  Settings // complete
	params    []*param
	units     []unit     // in the order of their first parameter
	horizons  []*horizon // of the blocks in order
	marquardt *marquardt // nil unless the damping is adaptive
	threads   int
}

// param is a parameter with its rule and what the rule remembers of the steps before.
type param struct {
	Param  Param
	rule   Rule
	update updater
}

// updater changes one parameter by a direction d of its shape and remembers what it needs for the next step.
type updater interface {
	apply(be backend.Backend, p, d tensor.T, lr float64, step int64)
	state() []State // without names
}

// zeros is a new tensor of zeros.
func zeros(be backend.Backend, shape tensor.Shape) tensor.T {
	t := be.Plain(shape)
	be.Combine(t, nil)
	return t
}

// unit is what is changed together: a layer with its basis, or one parameter.
type unit struct {
	layer   Layer
	members []*param         // weight, then bias; or the one parameter
	basis   *kfac.Eigenbasis // nil without preconditioning
	average kfac.Factors     // of all factors so far, where they have a decay: on the backend
	newton  *newton          // of one parameter; nil for other optimizers
}

// New makes an optimizer at rest: momentum and moments zero, no eigenbasis. Its memory comes from the backend's
// arena and must not be released while it is used. Eigenvalue problems run on up to threads goroutines.
//
// It returns ErrSetting if the settings are not right by themselves (Check), if a group gets no parameter, or if a
// parameter is to be preconditioned without belonging to a layer, unlike its layer's other one, or if t1 is to move and
// no block has one, or not far enough from its t0. It panics if a layer or block names a parameter that does not exist.
func New(be backend.Backend, s Settings, parts Parts, threads int) (*Optimizer, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	o := &Optimizer{be: be, settings: s.complete(), threads: threads}
	rules := s.rules()
	used := make([]bool, len(rules))
	for _, p := range parts.Params {
		i := s.groupOf(p.Name) + 1
		used[i] = true
		o.params = append(o.params, &param{p, rules[i], optimizerNamed(rules[i].Optimizer).start(be, rules[i], p.Value.Shape)})
	}
	for i, g := range s.Groups {
		if !used[i+1] {
			return nil, fmt.Errorf("%w: group %s: no parameter is left for the pattern", ErrSetting, g)
		}
	}
	if err := o.divide(parts.Layers); err != nil {
		return nil, err
	}
	if err := o.watch(parts.Blocks); err != nil {
		return nil, err
	}
	if o.settings.Damping == "adaptive" {
		o.marquardt = newMarquardt(be, o.settings.DampingFreq, o.params)
	}
	return o, nil
}

// groupOf is the index of the first group that matches a parameter, -1 if none does.
func (s Settings) groupOf(name string) int {
	for i, g := range s.Groups {
		if g.matches(name) {
			return i
		}
	}
	return -1
}

// divide puts each parameter into a unit.
func (o *Optimizer) divide(layers []Layer) error {
	of, done := map[string]Layer{}, map[string]bool{}
	for _, l := range layers {
		of[l.Weight] = l
		if l.Bias != "" {
			of[l.Bias] = l
		}
	}
	for _, p := range o.params {
		l, covered := of[p.Param.Name]
		switch info := optimizerNamed(p.rule.Optimizer); {
		case info.diagonal:
			o.units = append(o.units, unit{members: []*param{p}, newton: newNewton(o.be, p.Param.Value.Shape)})
		case !info.preconditioned:
			o.units = append(o.units, unit{members: []*param{p}})
		case !covered:
			return fmt.Errorf("%w: %s has no Kronecker factors: give it another optimizer with a group", ErrSetting, p.Param.Name)
		case !done[l.Name]:
			u, err := o.layerUnit(l)
			if err != nil {
				return err
			}
			o.units, done[l.Name] = append(o.units, u), true
		}
	}
	return nil
}

func (o *Optimizer) named(name string) *param {
	for _, p := range o.params {
		if p.Param.Name == name {
			return p
		}
	}
	panic("optim: layer or block of an unknown parameter")
}
