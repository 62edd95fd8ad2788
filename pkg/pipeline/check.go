package pipeline

import (
	"fmt"
	"math"

	"odepipe/pkg/adjoint"
	"odepipe/pkg/backend/ref"
	"odepipe/pkg/model"
	"odepipe/pkg/ode"
	"odepipe/pkg/tensor"
	"odepipe/pkg/wire"
)

// check measures how far the gradient is from that of the same mini-batch in float64 by differentiating the steps of a
// forward solve of the model's own settings (method checkpointed): the scalars check and check.<parameter> are
//
//	|g - g64| / |g64|
//
// over all parameters and over one. Where g64 is zero the difference stands for the ratio.
func (b *backward) check(p *pass, batch *wire.Samples, set *wire.Set) error {
	exact, err := b.exactGradient(batch, set)
	if err != nil {
		return fmt.Errorf("check: %w", err)
	}
	difference, size := 0.0, 0.0
	ratio := func(difference, size float64) float64 {
		if size == 0 {
			size = 1
		}
		return math.Sqrt(difference / size)
	}
	for k, param := range b.net.Params {
		own := make([]float64, param.Shape.Size())
		b.be.Download(tensor.Buffer{F64: own}, p.grads[k])
		d, s := 0.0, 0.0
		for i, g := range exact[k] {
			d += (own[i] - g) * (own[i] - g)
			s += g * g
		}
		b.out.AddScalar("check."+param.Name, ratio(d, s))
		difference, size = difference+d, size+s
	}
	b.out.AddScalar("check", ratio(difference, size))
	return nil
}

// exactGradient runs the mini-batch again in float64.
func (b *backward) exactGradient(batch *wire.Samples, set *wire.Set) ([][]float64, error) {
	spec := *b.net.Spec
	spec.DType = tensor.Float64
	spec.Blocks = nil
	for _, block := range b.net.Spec.Blocks {
		if block.ODE != nil {
			o := *block.ODE
			if scheme, err := ode.Method(o.Solver.Method); err == nil && !adjoint.Differentiable(scheme) {
				return nil, fmt.Errorf("block %s: the steps of %s cannot be differentiated: %w", o.Name, scheme.Name, ErrMismatch)
			}
			if o.Solver.Control == ode.BySample {
				return nil, fmt.Errorf("block %s: steps of each sample's own cannot be differentiated: %w", o.Name, ErrMismatch)
			}
			o.Adjoint.Method, o.Adjoint.Memory = adjoint.Checkpointed, 0
			block.ODE = &o
		}
		spec.Blocks = append(spec.Blocks, block)
	}
	net, err := model.NewNetwork(&spec)
	if err != nil {
		return nil, err
	}
	be := ref.New()
	defer be.Close()
	w, err := upload(be, net, set)
	if err != nil {
		return nil, err
	}
	target, err := targetOf(net, batch)
	if err != nil {
		return nil, err
	}
	blocks, err := newBlocks(be, net, w, batch, b.out.Step)
	if err != nil {
		return nil, err
	}
	p := &pass{blocks: blocks, forwards: true, sampling: Sampling{Terminal: GradientVector}}
	if err := p.forward(batch); err != nil {
		return nil, err
	}
	_, dy, err := p.lossGradient(target)
	if err != nil {
		return nil, err
	}
	if err := p.backward(dy, nil); err != nil {
		return nil, err
	}
	var all [][]float64
	for _, g := range p.grads {
		host := make([]float64, g.Size())
		be.Download(tensor.Buffer{F64: host}, g)
		all = append(all, host)
	}
	return all, nil
}
