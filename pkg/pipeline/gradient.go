package pipeline

import (
	"fmt"
	"math"

	"odepipe/pkg/tensor"
	"odepipe/pkg/wire"
)

// collect adds gradients, factors and rows to b.out.
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

// finite returns ErrNonFinite for the first number that is none.
func finite(values tensor.Buffer) error {
	for i := range values.Len() {
		if v := values.At(i); math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("%g at element %d: %w", v, i, ErrNonFinite)
		}
	}
	return nil
}

// finiteScalars checks what is on the host already.
func (b *backward) finiteScalars() error {
	for _, t := range b.out.Tensors {
		if t.Fill != nil {
			continue
		}
		if err := finite(t.Value); err != nil {
			return fmt.Errorf("%s %s: %w", t.Role, t.Name, err)
		}
	}
	return nil
}

// add adds a tensor, which stays where it is until the set has been written.
func (b *backward) add(role wire.Role, name string, x tensor.T) {
	fill := func(dst tensor.Buffer) error {
		b.be.Download(dst, x)
		if err := b.be.Err(); err != nil {
			return err
		}
		return finite(dst)
	}
	b.out.Tensors = append(b.out.Tensors, wire.Tensor{Name: name, Role: role, Shape: x.Shape.Dims(), Fill: fill})
}

// addNumbers adds numbers of the host.
func (b *backward) addNumbers(role wire.Role, name string, shape []int, numbers []float64) {
	fill := func(dst tensor.Buffer) error {
		for i, v := range numbers {
			dst.Set(i, v)
		}
		return finite(dst)
	}
	b.out.Tensors = append(b.out.Tensors, wire.Tensor{Name: name, Role: role, Shape: shape, Fill: fill})
}
