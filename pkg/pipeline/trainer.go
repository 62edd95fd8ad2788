package pipeline

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"odepipe/pkg/backend"
	"odepipe/pkg/kfac"
	"odepipe/pkg/model"
	"odepipe/pkg/optim"
	"odepipe/pkg/tensor"
	"odepipe/pkg/wire"
)

// metadata keys of a checkpoint, behind "odepipe."
const keyOptimizer = "optimizer" // optim.Settings.Text

// trainer is a checkpoint at work: parameters and optimizer state on a backend.
type trainer struct {
	be       backend.Backend
	net      *model.Network
	settings optim.Settings
	opt      *optim.Optimizer
	params   []tensor.T // in the order of Network.Params
	step     int64      // whose parameters these are
}

// newTrainer puts parameters onto a backend, with an optimizer at rest; t1 are those of the ODE blocks in order.
func newTrainer(be backend.Backend, n *model.Network, s optim.Settings, values []tensor.Buffer, t1 []float64, threads int) (*trainer, error) {
	t := &trainer{be: be, net: n, settings: s}
	var parts optim.Parts
	for i, p := range n.Params {
		value := be.Plain(p.Shape)
		be.Upload(value, values[i])
		t.params = append(t.params, value)
		parts.Params = append(parts.Params, optim.Param{Name: p.Name, Value: value})
	}
	for _, segment := range n.Segments {
		if segment.ODE == nil {
			continue
		}
		if segment.Cell != nil && s.MovesTimes() {
			return nil, fmt.Errorf("%w: horizon and steer move the end of a block, %s is a series and has none", optim.ErrSetting, segment.ODE.Name)
		}
		block := optim.Block{Name: segment.ODE.Name, T0: segment.ODE.T0, T1: t1[len(parts.Blocks)]}
		for _, p := range n.Params[segment.Params[0]:segment.Params[1]] {
			block.Params = append(block.Params, p.Name)
		}
		parts.Blocks = append(parts.Blocks, block)
	}
	for _, l := range n.Affine() {
		layer := optim.Layer{Name: l.Name, Weight: l.Name + ".weight"}
		if l.Geometry.Bias {
			layer.Bias = l.Name + ".bias"
		}
		parts.Layers = append(parts.Layers, layer)
	}
	var err error
	t.opt, err = optim.New(be, s, parts, threads)
	return t, err
}

// resume makes a trainer of a checkpoint.
func resume(c *wire.Checkpoint, be backend.Backend, threads int) (*trainer, error) {
	n, err := networkOf(c.Header)
	if err != nil {
		return nil, err
	}
	if err := ofType(n, c.DType); err != nil {
		return nil, err
	}
	if c.Step < 0 {
		return nil, fmt.Errorf("it is at step %d: %w", c.Step, ErrMismatch)
	}
	s, err := optim.Parse(c.Extra[keyOptimizer])
	if err != nil {
		return nil, err
	}
	values := make([]tensor.Buffer, len(n.Params))
	for i, p := range n.Params {
		if values[i], err = valueOf(&c.Set, wire.Param, p.Name, p.Shape); err != nil {
			return nil, err
		}
	}
	t1, err := endTimes(n, &c.Set)
	if err != nil {
		return nil, err
	}
	if s.Steer != 0 {
		t1 = modelTimes(n) // the checkpoint has those drawn for its step
	}
	t, err := newTrainer(be, n, s, values, t1, threads)
	if err != nil {
		return nil, err
	}
	t.step = c.Step
	var state []optim.State
	for _, row := range c.Tensors {
		if what, ok := strings.CutPrefix(string(row.Role), "state."); ok {
			if len(row.Shape) > tensor.MaxRank {
				return nil, fmt.Errorf("%s of %s has %d dimensions: %w", row.Role, row.Name, len(row.Shape), ErrMismatch)
			}
			state = append(state, optim.State{Name: row.Name, What: what, T: tensor.T{Buf: row.Value, Shape: tensor.Of(row.Shape...)}})
		}
	}
	return t, t.opt.Restore(state)
}

// modelTimes are the t1 of the ODE blocks in order, as the model has them.
func modelTimes(n *model.Network) []float64 {
	var t1 []float64
	for _, o := range n.ODEs() {
		t1 = append(t1, o.T1)
	}
	return t1
}

// valueOf finds a tensor of a set and checks its shape.
func valueOf(set *wire.Set, role wire.Role, name string, shape tensor.Shape) (tensor.Buffer, error) {
	row := set.Find(role, name)
	if row == nil {
		return tensor.Buffer{}, fmt.Errorf("step %d: %s %s is missing: %w", set.Step, role, name, ErrMismatch)
	}
	if !slices.Equal(row.Shape, shape.Dims()) {
		return tensor.Buffer{}, fmt.Errorf("step %d: %s %s has shape %v, expected %v: %w", set.Step, role, name, row.Shape, shape, ErrMismatch)
	}
	return row.Value, nil
}

// paramSet is, for a writer, what odeforward and odebackward need for the mini-batch of the trainer's step.
func (t *trainer) paramSet() *wire.Set {
	set := &wire.Set{Step: t.step}
	for i, p := range t.net.Params {
		t.add(set, wire.Param, p.Name, t.params[i])
	}
	t1 := t.opt.EndTimes(t.step)
	for i, o := range t.net.ODEs() {
		set.AddScalar(o.Name+".t1", t1[i])
	}
	set.AddScalar("lr", t.opt.LR(t.step))
	refresh := 0.0
	if t.opt.Wants(t.step) {
		refresh = 1
	}
	set.AddScalar("refresh", refresh)
	return set
}

func (t *trainer) add(set *wire.Set, role wire.Role, name string, x tensor.T) {
	fill := func(dst tensor.Buffer) error {
		t.be.Download(dst, x)
		return t.be.Err()
	}
	set.Tensors = append(set.Tensors, wire.Tensor{Name: name, Role: role, Shape: x.Shape.Dims(), Fill: fill})
}

// checkpoint is, for a writer, everything that a resumed run needs.
func (t *trainer) checkpoint() *wire.Checkpoint {
	c := &wire.Checkpoint{DType: t.net.Spec.DType, Set: *t.paramSet(), Header: wire.Header{Kind: wire.Params, Model: t.net.Spec.Text,
		ModelSHA256: t.net.Spec.SHA256, Extra: map[string]string{keyOptimizer: t.settings.Text()}}}
	for _, s := range t.opt.State() {
		t.add(&c.Set, wire.StateRole(s.What), s.Name, s.T)
	}
	return c
}

// advance applies the gradients of the trainer's step.
func (t *trainer) advance(set *wire.Set) (optim.Report, error) {
	if set.Step != t.step {
		return optim.Report{}, fmt.Errorf("the gradient is of step %d, the checkpoint at step %d (datagen --start-step=%d): %w", set.Step, t.step, t.step, ErrMismatch)
	}
	batch, ok := set.Scalar("batch_size")
	if !ok || !(batch >= 1 && batch <= math.MaxInt32) || batch != math.Trunc(batch) {
		return optim.Report{}, fmt.Errorf("step %d: there is no scalar batch_size that counts samples: %w", set.Step, ErrMismatch)
	}
	loss, ok := set.Scalar("loss")
	if ok && (math.IsNaN(loss) || math.IsInf(loss, 0)) {
		return optim.Report{}, fmt.Errorf("step %d: the loss is %g: %w", set.Step, loss, ErrNonFinite)
	}
	if !ok {
		loss = math.NaN() // the optimizer refuses it if it looks at it
	}
	mark := t.be.Mark()
	defer t.be.Release(mark)
	grads := map[string]tensor.T{}
	for _, p := range t.net.Params {
		g, err := t.receive(set, wire.Grad, p.Name, p.Shape)
		if err != nil {
			return optim.Report{}, err
		}
		grads[p.Name] = g
	}
	var factors map[string]kfac.Factors
	var diagonals map[string]tensor.T
	if t.opt.Wants(t.step) {
		var err error
		if factors, err = t.factors(set); err != nil {
			return optim.Report{}, err
		}
		if diagonals, err = t.diagonals(set); err != nil {
			return optim.Report{}, err
		}
	}
	dphi := map[string]float64{}
	for _, o := range t.net.ODEs() {
		if v, ok := set.Scalar(o.Name + ".dphi_dt1"); ok {
			dphi[o.Name] = v
		}
	}
	report, err := t.opt.Step(t.step, optim.Batch{Size: int(batch), Loss: loss, Grads: grads, Factors: factors, Diagonals: diagonals, DphiDt1: dphi})
	if err != nil {
		return report, fmt.Errorf("step %d: %w", t.step, err)
	}
	t.step++
	return report, nil
}

// factors takes the Kronecker factors that the stream has; the optimizer says if one is missing.
func (t *trainer) factors(set *wire.Set) (map[string]kfac.Factors, error) {
	factors := map[string]kfac.Factors{}
	for _, l := range t.net.Affine() {
		if set.Find(wire.KronA, l.Name) == nil {
			continue
		}
		k, out := tensor.Of(l.Geometry.GramSize(), l.Geometry.GramSize()), tensor.Of(l.Geometry.Out, l.Geometry.Out)
		a, err := valueOf(set, wire.KronA, l.Name, k)
		if err != nil {
			return nil, err
		}
		b, err := valueOf(set, wire.KronB, l.Name, out)
		if err != nil {
			return nil, err
		}
		factors[l.Name] = kfac.Factors{A: tensor.T{Buf: a, Shape: k}, B: tensor.T{Buf: b, Shape: out}}
	}
	return factors, nil
}

// diagonals takes the diagonals of the Hessian that the stream has; the optimizer says if one is missing.
func (t *trainer) diagonals(set *wire.Set) (map[string]tensor.T, error) {
	diagonals := map[string]tensor.T{}
	for _, p := range t.net.Params {
		if set.Find(wire.Hessian, p.Name) == nil {
			continue
		}
		d, err := t.receive(set, wire.Hessian, p.Name, p.Shape)
		if err != nil {
			return nil, err
		}
		diagonals[p.Name] = d
	}
	return diagonals, nil
}

// receive uploads a tensor of a set.
func (t *trainer) receive(set *wire.Set, role wire.Role, name string, shape tensor.Shape) (tensor.T, error) {
	value, err := valueOf(set, role, name, shape)
	if err != nil {
		return tensor.T{}, err
	}
	x := t.be.Plain(shape)
	t.be.Upload(x, value)
	return x, nil
}
