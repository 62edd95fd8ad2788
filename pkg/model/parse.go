package model

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"odepipe/pkg/adjoint"
	"odepipe/pkg/loss"
	"odepipe/pkg/nn"
	"odepipe/pkg/ode"
	"odepipe/pkg/tensor"
)

// DefaultTolerance is rtol and atol of a block that gives none: the paper's, for images and series.
const DefaultTolerance = 1e-3

// Parse reads a model file. Errors wrap ErrModel and name the block, the layer and the key.
func Parse(text string) (*Spec, error) {
	t, err := parseTOML(text)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(text))
	s := &Spec{Text: text, SHA256: hex.EncodeToString(sum[:])}
	s.Name = t.text("name", "", true)
	s.DType = tensor.DType(t.choice("dtype", string(tensor.Float32), false, []string{string(tensor.Float32), string(tensor.Float64)}))
	s.Input = parseShape(t)
	var losses []string
	for _, l := range loss.Table {
		losses = append(losses, l.Name)
	}
	s.Loss = t.choice("loss", "", true, losses)
	blocks := t.tables("block")
	if err := t.done(); err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for i, b := range blocks {
		block, err := parseBlock(b, i)
		if err != nil {
			return nil, err
		}
		if name := block.name(); name != "" && names[name] {
			return nil, fmt.Errorf("%w: %sthe name %q is taken by an earlier block", ErrModel, b.where, name)
		} else {
			names[name] = true
		}
		s.Blocks = append(s.Blocks, block)
	}
	return s, nil
}

func (b Block) name() string {
	if b.ODE != nil {
		return b.ODE.Name
	}
	return b.Layer.Name
}

func parseShape(t *table) tensor.Shape {
	v, ok := t.value("input", true)
	list, isList := v.([]any)
	if ok && (!isList || len(list) < 1 || len(list) > 3) {
		t.fail("input must be [features], [channels, height, width] or [points, channels], not %v", v)
		return tensor.Shape{}
	}
	var dims []int
	for _, item := range list {
		d, ok := item.(int64)
		if !ok || d < 1 || d > 1<<20 {
			t.fail("input: %v is not a dimension", item)
			return tensor.Shape{}
		}
		dims = append(dims, int(d))
	}
	return tensor.Of(dims...)
}

func parseBlock(t *table, index int) (Block, error) {
	types := []string{"ode", "cnf", "ode_rnn"}
	for _, k := range nn.Kinds {
		types = append(types, k.Name)
	}
	switch t.choice("type", "", true, types) {
	case "ode":
		o := &ODESpec{T0: t.number("t0", 0), T1: t.number("t1", 1), Costs: parseCosts(t)}
		return Block{ODE: o}, parseODE(o, t, index)
	case "cnf":
		o := &ODESpec{T0: t.number("t0", 0), T1: t.number("t1", 1), Costs: parseCosts(t)}
		o.Flow = &Flow{Divergence: t.choice("divergence", "exact", false, Divergences), Seed: t.integer("seed", 0, false, 0)}
		return Block{ODE: o}, parseODE(o, t, index)
	case "ode_rnn":
		o := &ODESpec{T1: 1, Series: &Series{Hidden: t.integer("hidden", 0, true, 1), Channels: t.choice("channels", Channels[0], false, Channels)}}
		return Block{ODE: o}, parseODE(o, t, index)
	}
	l, err := parseLayer(t, index)
	return Block{Layer: l}, err
}

// parseLayer reads a layer; one without a name is called by its index, as in torch.nn.Sequential.
func parseLayer(t *table, index int) (*nn.Spec, error) {
	var types []string
	for _, k := range nn.Kinds {
		types = append(types, k.Name)
	}
	s := &nn.Spec{Type: t.choice("type", "", true, types)}
	if t.err != nil {
		return nil, t.err
	}
	kind, _ := nn.KindOf(s.Type)
	s.Name = t.text("name", "", false)
	if s.Name == "" && len(kind.Keys) > 0 {
		s.Name = fmt.Sprint(index)
	}
	for _, key := range kind.Keys {
		switch key.Name {
		case "in":
			s.In = t.integer("in", 0, true, 1)
		case "out":
			s.Out = t.integer("out", 0, true, 1)
		case "kernel":
			s.Kernel = t.integer("kernel", 0, true, 1)
		case "stride":
			s.Stride = t.integer("stride", 1, false, 1)
		case "padding":
			s.Padding = t.integer("padding", 0, false, 0)
		case "bias":
			s.NoBias = !t.boolean("bias", true)
		case "time":
			s.Time = t.choice("time", "none", false, []string{"none", "concat"}) == "concat"
		case "gain":
			s.Gain = t.notNegative("gain", 1)
		default:
			panic("model: a layer has a key that parseLayer does not read")
		}
	}
	return s, t.done()
}

func parseCosts(t *table) Costs {
	return Costs{Kinetic: t.notNegative("kinetic", 0), Jacobian: t.notNegative("jacobian", 0)}
}

// parseODE reads what all blocks with a field have.
func parseODE(o *ODESpec, t *table, index int) error {
	if o.Name = t.text("name", "", false); o.Name == "" {
		o.Name = fmt.Sprint(index)
	}
	if o.T0 == o.T1 {
		t.fail("t0 and t1 are both %g", o.T0)
	}
	solver := t.table("solver")
	o.Solver = parseSolver(solver, ode.Options{Method: "dopri5", RTol: DefaultTolerance, ATol: DefaultTolerance,
		Controller: ode.Controllers[0], Control: ode.Controls[0]}, true)
	back := t.table("adjoint")
	o.Adjoint = parseAdjoint(back, o.Solver)
	fields := t.tables("field")
	for _, sub := range []*table{t, solver, back} {
		if err := sub.done(); err != nil {
			return err
		}
	}
	names := map[string]bool{}
	for i, f := range fields {
		l, err := parseLayer(f, i)
		if err != nil {
			return err
		}
		if l.Name != "" && names[l.Name] {
			return fmt.Errorf("%w: %sthe name %q is taken by an earlier layer", ErrModel, f.where, l.Name)
		}
		names[l.Name] = true
		o.Field = append(o.Field, *l)
	}
	return nil
}

// parseAdjoint reads the keys of an adjoint beside those of the solver, whose settings are its defaults.
func parseAdjoint(t *table, solver ode.Options) Adjoint {
	var methods []string
	for _, m := range adjoint.Methods {
		methods = append(methods, string(m))
	}
	a := Adjoint{Method: adjoint.Method(t.choice("method", methods[0], false, methods))}
	if a.Method == adjoint.Checkpointed {
		a.Memory = t.integer("memory", 0, false, 0)
		if scheme, err := ode.Method(solver.Method); err == nil && !adjoint.Differentiable(scheme) {
			t.fail("method = \"checkpointed\" cannot differentiate the steps of %s", scheme.Name)
		}
	}
	a.Solver = parseSolver(t, solver, false)
	if a.Method != adjoint.Backsolve && (solver.Control == ode.BySample || a.Solver.Control == ode.BySample) {
		t.fail("method = %q needs steps that all samples have in common", a.Method)
	}
	a.SemiNorm = t.choice("norm", "full", false, []string{"full", "seminorm"}) == "seminorm"
	return a
}

// parseSolver reads the keys of a solver over the defaults d.
func parseSolver(t *table, d ode.Options, withMethod bool) ode.Options {
	if withMethod {
		var methods []string
		for _, m := range ode.Methods {
			methods = append(methods, m.Name)
		}
		d.Method = t.choice("method", d.Method, false, methods)
	}
	d.RTol = t.positive("rtol", d.RTol)
	d.ATol = t.positive("atol", d.ATol)
	d.Step = t.positive("step_size", d.Step)
	d.FirstStep = t.positive("first_step", d.FirstStep)
	d.DtMin = t.positive("dt_min", d.DtMin)
	d.DtMax = t.positive("dt_max", d.DtMax)
	d.MaxSteps = t.integer("max_steps", d.MaxSteps, false, 1)
	d.Controller = t.choice("controller", d.Controller, false, ode.Controllers)
	d.Control = t.choice("control", d.Control, false, ode.Controls)
	return d
}
