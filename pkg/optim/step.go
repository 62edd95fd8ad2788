package optim

import (
	"fmt"
	"math"

	"odepipe/pkg/kfac"
	"odepipe/pkg/tensor"
)

// Report is what one step did.
type Report struct {
	LR         float64 // of the parameters in no group
	GradNorm   float64 // Euclidean, over all parameters, of the gradient as it came
	UpdateNorm float64 // Euclidean, of the change of all parameters
	Damping    float64 // eps of this step; 0 unless it is adaptive
	KLScale    float64 // nu of kl-clip; 0 without
	Refreshed  int     // layers with a new eigenbasis, and parameters with a new diagonal
	Warnings   []string
}

// LR is the learning rate of the parameters in no group at a step.
func (o *Optimizer) LR(step int64) float64 { return o.settings.Main.LR * o.settings.factor(step) }

// Batch is what a step is told of its mini-batch. Nothing of it is modified.
type Batch struct {
	Size      int                     // samples
	Loss      float64                 // mean; adaptive damping alone looks at it
	Grads     map[string]tensor.T     // of the mean loss, by parameter: plain tensors of the parameters' shapes
	Factors   map[string]kfac.Factors // by layer, on the host; looked at if the step Wants them
	Diagonals map[string]tensor.T     // of the Hessian of the mean loss, by parameter; looked at likewise
	DphiDt1   map[string]float64      // dL/dt1 by block; a trained t1 alone looks at it
}

// Step changes all parameters by the gradient of a mini-batch. Steps count from 0. A layer whose new factors are
// missing or cannot be decomposed keeps the basis it has, with a warning, and so does a parameter with the diagonal of
// its Hessian.
//
// It returns ErrMismatch if a gradient is missing or of another shape, or a derivative in t1 that is needed is missing;
// ErrNonFinite, naming the parameter, if a gradient's square is not finite in the element type, or if the loss or a
// derivative in t1 is not and is needed; and an error of kfac.Refresh or ErrMismatch if a layer has no basis yet and
// gets none, or a parameter no diagonal. Parameters and State are then as before, but for what was refreshed before the
// error. It returns ErrNonFinite, too, if the change of the parameters or of a t1 is not finite; they have changed
// then, and are of no use.
func (o *Optimizer) Step(step int64, b Batch) (Report, error) {
	report := Report{LR: o.LR(step)}
	var err error
	if report.GradNorm, err = o.gradNorm(b.Grads, float64(b.Size)); err != nil {
		return Report{}, err
	}
	if o.marquardt != nil && (math.IsNaN(b.Loss) || math.IsInf(b.Loss, 0)) {
		return Report{}, fmt.Errorf("adaptive damping: the loss is %g: %w", b.Loss, ErrNonFinite)
	}
	if err := o.checkEnds(b); err != nil {
		return Report{}, err
	}
	if err := o.refresh(step, b, &report); err != nil {
		return Report{}, err
	}
	relief := 1.0
	if o.marquardt != nil {
		relief = o.marquardt.judge(step, b.Loss, o.marquardt.slope(b.Grads))
		report.Damping = relief * o.dampingAtRest()
	}
	mark := o.be.Mark()
	defer o.be.Release(mark)
	moves := make([]move, len(o.units))
	for i, u := range o.units {
		moves[i] = o.direction(u, b, o.settings.clip(report.GradNorm), relief)
	}
	report.KLScale = o.trust(moves, step)
	total := effect{slopes: map[string]float64{}}
	for i, u := range o.units {
		o.change(u, step, moves[i], b.Grads, &total)
	}
	if report.UpdateNorm = math.Sqrt(total.square); math.IsNaN(total.square) || math.IsInf(total.square, 0) {
		return Report{}, fmt.Errorf("the change of the parameters: %w", ErrNonFinite)
	}
	if o.marquardt != nil {
		o.marquardt.remember(total.curvature)
	}
	if err := o.moveEnds(step, b, total.slopes); err != nil {
		return Report{}, err
	}
	return report, o.be.Err()
}

// gradNorm checks the gradients and returns the norm of all. batch times each square must be finite, too: the moving
// scale holds it.
func (o *Optimizer) gradNorm(grads map[string]tensor.T, batch float64) (float64, error) {
	largest := math.MaxFloat64
	if o.be.DType() == tensor.Float32 {
		largest = math.MaxFloat32
	}
	total := 0.0
	for _, p := range o.params {
		name := p.Param.Name
		g, found := grads[name]
		if !found {
			return 0, fmt.Errorf("%w: there is no gradient of %s", ErrMismatch, name)
		}
		if want := p.Param.Value.Shape; g.Shape != want || g.N != 0 {
			return 0, fmt.Errorf("%w: the gradient of %s has shape %s, not %s", ErrMismatch, name, g.Shape, want)
		}
		square := dot(o.be, g, g)
		if !(square*batch <= largest) {
			return 0, fmt.Errorf("the gradient of %s: %w", name, ErrNonFinite)
		}
		total += square
	}
	return math.Sqrt(total), nil
}

// move is where a unit is about to go: the gradients of its members, penalised, and what the optimizer makes of them.
type move struct{ grads, directions [2]tensor.T }

// direction finds a unit's, in the arena's memory. clip multiplies the gradient, relief eps.
func (o *Optimizer) direction(u unit, b Batch, clip, relief float64) move {
	var m move
	for i, p := range u.members {
		m.grads[i] = o.penalised(p, b.Grads[p.Param.Name], clip)
	}
	m.directions = m.grads
	if u.basis != nil {
		m.directions = u.precondition(o.be, m.grads, o.settings.inversion(u.members[0].rule, b, relief))
	}
	if u.newton != nil {
		rule := u.members[0].rule
		m.directions[0] = u.newton.direction(o.be, m.grads[0], rule.Eps+rule.WeightDecay)
	}
	return m
}

// effect is what the changes delta of the parameters in a step come to. The last two are left out where nobody asks.
type effect struct {
	square    float64            // |delta|^2
	slopes    map[string]float64 // <g, delta> by parameter, g as it came
	curvature float64            // <delta, C delta> of preconditioned layers, without damping
}

// change makes a unit's step and adds to its effect.
func (o *Optimizer) change(u unit, step int64, m move, grads map[string]tensor.T, to *effect) {
	mark := o.be.Mark()
	defer o.be.Release(mark)
	factor := o.settings.factor(step)
	var changes [2]tensor.T
	for i, p := range u.members {
		value := p.Param.Value
		change := o.be.Plain(value.Shape)
		o.be.Combine(change, []float64{-1}, value)
		p.update.apply(o.be, value, m.directions[i], p.rule.LR*factor, step)
		o.be.Combine(change, []float64{1, 1}, change, value)
		to.square += dot(o.be, change, change)
		if o.settings.Horizon != "fixed" {
			to.slopes[p.Param.Name] = dot(o.be, grads[p.Param.Name], change)
		}
		if o.marquardt != nil {
			o.be.Combine(o.marquardt.change[p.Param.Name], []float64{1}, change)
		}
		changes[i] = change
	}
	if o.marquardt != nil && u.basis != nil {
		to.curvature += u.basis.Curvature(o.be, kfac.Gradient{Weight: changes[0], Bias: changes[1]})
	}
}

// penalised is clip times the gradient, with that of the penalty gamma |theta|^2 / 2 where the rule has one.
func (o *Optimizer) penalised(p *param, g tensor.T, clip float64) tensor.T {
	gamma := p.rule.WeightDecay
	if optimizerNamed(p.rule.Optimizer).decoupled {
		gamma = 0
	}
	if gamma == 0 && clip == 1 {
		return g
	}
	sum := o.be.Plain(g.Shape)
	o.be.Combine(sum, []float64{clip, gamma}, g, p.Param.Value)
	return sum
}
