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
	Refreshed  int     // layers with a new eigenbasis
	Warnings   []string
}

// LR is the learning rate of the parameters in no group at a step.
func (o *Optimizer) LR(step int64) float64 { return o.settings.Main.LR * o.settings.factor(step) }

// Step changes all parameters by the gradient of the mean loss over batch samples. Steps count from 0. grads has a
// plain tensor of its shape for every parameter; none is modified. factors has the pair of every layer by its name
// if the step Wants them, and is not looked at otherwise. A layer whose new factors are missing or cannot be
// decomposed keeps the basis it has, with a warning.
//
// It returns ErrMismatch if a gradient is missing or of another shape, ErrNonFinite, naming the parameter, if a
// gradient's square is not finite in the element type, and an error of kfac.Refresh or ErrMismatch if a layer has no
// basis yet and gets none. Parameters and State are then as before, but for layers refreshed before the error. It returns
// ErrNonFinite, too, if the change of the parameters is not finite; they have changed then, and are of no use.
func (o *Optimizer) Step(step int64, grads map[string]tensor.T, factors map[string]kfac.Factors, batch int) (Report, error) {
	report := Report{LR: o.LR(step)}
	var err error
	if report.GradNorm, err = o.gradNorm(grads, float64(batch)); err != nil {
		return Report{}, err
	}
	if o.Wants(step) {
		if err := o.refresh(factors, &report); err != nil {
			return Report{}, err
		}
	}
	square := 0.0
	for _, u := range o.units {
		square += o.change(u, step, grads, float64(batch))
	}
	if report.UpdateNorm = math.Sqrt(square); math.IsNaN(square) || math.IsInf(square, 0) {
		return Report{}, fmt.Errorf("the change of the parameters: %w", ErrNonFinite)
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
		sum := [1]float64{}
		o.be.Dot(sum[:], g, g)
		if !(sum[0]*batch <= largest) {
			return 0, fmt.Errorf("the gradient of %s: %w", name, ErrNonFinite)
		}
		total += sum[0]
	}
	return math.Sqrt(total), nil
}

// change makes a unit's step and returns the squared norm of the parameters' change.
func (o *Optimizer) change(u unit, step int64, grads map[string]tensor.T, batch float64) float64 {
	mark := o.be.Mark()
	defer o.be.Release(mark)
	var directions [2]tensor.T
	for i, p := range u.members {
		directions[i] = o.penalised(p, grads[p.Param.Name])
	}
	if u.basis != nil {
		directions = u.precondition(o.be, directions, batch)
	}
	factor, sum := o.settings.factor(step), [1]float64{}
	for i, p := range u.members {
		value := p.Param.Value
		change := o.be.Plain(value.Shape)
		o.be.Combine(change, []float64{-1}, value)
		p.update.apply(o.be, value, directions[i], p.rule.LR*factor, step)
		o.be.Combine(change, []float64{1, 1}, change, value)
		o.be.Dot(sum[:], change, change)
	}
	return sum[0]
}

// penalised is the gradient with that of the penalty gamma |theta|^2 / 2, where the rule has one.
func (o *Optimizer) penalised(p *param, g tensor.T) tensor.T {
	if p.rule.WeightDecay == 0 || optimizerNamed(p.rule.Optimizer).decoupled {
		return g
	}
	sum := o.be.Plain(g.Shape)
	o.be.Combine(sum, []float64{1, p.rule.WeightDecay}, g, p.Param.Value)
	return sum
}
