package pipeline

import (
	"fmt"
	"math"

	"odepipe/pkg/tensor"
	"odepipe/pkg/wire"
)

// collect downloads gradients, factors and rows into b.out.
func (b *backward) collect(p *pass) {
	for i, param := range b.net.Params {
		b.add(wire.Grad, param.Name, p.grads[i])
	}
	for i, o := range b.net.ODEs() {
		if p.span != nil {
			start, end := o.Name+".t0", o.Name+".t1"
			if o.Flow != nil {
				start, end = end, start
			}
			b.addNumbers(wire.Grad, start, []int{p.blocks.rows}, p.ends[i].dt0)
			b.addNumbers(wire.Grad, end, []int{p.blocks.rows}, p.ends[i].dt1)
		}
	}
	if p.factors != nil {
		for _, l := range b.net.Affine() {
			b.add(wire.KronA, l.Name, p.factors.A[l])
			b.add(wire.KronB, l.Name, p.factors.B[l])
		}
	}
	if !p.rows {
		return
	}
	for i, rows := range p.p {
		for k, param := range b.net.Params {
			name := param.Name
			if len(p.p) > 1 {
				name = fmt.Sprintf("%s.%d", name, i)
			}
			b.add(wire.P, name, rows[k])
			last := &b.out.Tensors[len(b.out.Tensors)-1]
			last.Shape = []int{p.blocks.rows, param.Shape.Size()}
		}
	}
}

// theorem1 writes Q_uu of a block.
func (b *backward) theorem1(p *pass, segment int) error {
	uu, err := p.theorem1(segment, b.options.Full)
	if err == nil {
		b.add(wire.QUU, b.net.Segments[segment].ODE.Name, uu)
	}
	return err
}

// recursive writes dense Hessians of the ODE blocks, or the estimated diagonal for all parameters.
func (b *backward) recursive(p *pass) error {
	if p.wish.vectors > 0 {
		diagonal, err := p.diagonal(p.wish.vectors)
		for k, values := range diagonal {
			b.addNumbers(wire.Hessian, b.net.Params[k].Name, b.net.Params[k].Shape.Dims(), values)
		}
		return err
	}
	for i, s := range b.net.Segments {
		if s.ODE == nil {
			continue
		}
		hessian, side, err := p.denseHessian(i)
		if err != nil {
			return err
		}
		b.addNumbers(wire.Hessian, s.ODE.Name, []int{side, side}, hessian)
	}
	return nil
}

// scalars adds the mini-batch's numbers.
func (b *backward) scalars(p *pass, batch *wire.Samples, meanLoss float64) {
	b.out.AddScalar("loss", meanLoss)
	b.out.AddScalar("batch_size", float64(batch.Rows))
	if c := batch.Column("nfe"); c != nil && c.Type == wire.Int32 {
		b.out.AddScalar("nfe_forward", float64(c.I32[0]))
	}
	b.out.AddScalar("nfe_backward", float64(p.evaluations))
	if c := batch.Column("epoch"); c != nil && c.Type == wire.Int32 {
		b.out.AddScalar("epoch", float64(c.I32[0]))
	}
	for i, o := range b.net.ODEs() {
		atT1, atT0 := p.ends[i].dphi, p.ends[i].dt0
		if o.Flow != nil { // which starts at t1
			atT1, atT0 = atT0, p.ends[i].dt1
		}
		b.out.AddScalar(o.Name+".dphi_dt1", total(atT1))
		b.out.AddScalar(o.Name+".dphi_dt0", total(atT0))
		for _, cost := range []string{".kinetic", ".jacobian"} {
			if c := batch.Column(o.Name + cost); c != nil && c.Type == wire.Values && len(c.Shape) == 0 {
				b.out.AddScalar(o.Name+cost, mean(c.Value))
			}
		}
	}
}

func total(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum
}

// finite names the first number of the results that is none.
func (b *backward) finite() error {
	for _, t := range b.out.Tensors {
		for i := range t.Value.Len() {
			if v := t.Value.At(i); math.IsNaN(v) || math.IsInf(v, 0) {
				return fmt.Errorf("%s of %s is %g at element %d: %w", t.Role, t.Name, v, i, ErrNonFinite)
			}
		}
	}
	return nil
}

func (b *backward) add(role wire.Role, name string, x tensor.T) {
	value := b.host.values(string(role)+" "+name, x.Size())
	b.be.Download(value, x)
	b.out.Tensors = append(b.out.Tensors, wire.Tensor{Name: name, Role: role, Shape: x.Shape.Dims(), Value: value})
}

// addNumbers adds numbers of the host.
func (b *backward) addNumbers(role wire.Role, name string, shape []int, numbers []float64) {
	value := b.host.values(string(role)+" "+name, len(numbers))
	for i, v := range numbers {
		value.Set(i, v)
	}
	b.out.Tensors = append(b.out.Tensors, wire.Tensor{Name: name, Role: role, Shape: shape, Value: value})
}
