package pipeline

import (
	"fmt"
	"io"
	"math"
	"time"

	"odepipe/pkg/adjoint"
	"odepipe/pkg/backend"
	"odepipe/pkg/kfac"
	"odepipe/pkg/model"
	"odepipe/pkg/optim"
	"odepipe/pkg/tensor"
	"odepipe/pkg/wire"
)

// SecondOrder says when odebackward samples Kronecker factors.
type SecondOrder string

// The modes of --second-order.
const (
	Auto  SecondOrder = ""      // when the optimizer wants them at that step
	SNOpt SecondOrder = "snopt" // on every mini-batch
	None  SecondOrder = "none"  // never
)

// BackwardOptions are odebackward's.
type BackwardOptions struct {
	Backend     func(tensor.DType) backend.Backend
	SecondOrder SecondOrder
	FactorStep  float64 // spacing of the grid of the factors, units of t
	Limits      wire.Limits
	Done        func(BatchRecord) // called after each mini-batch; may be nil
}

// Backward reads states at t1 and writes, for each mini-batch, the gradient of the mean loss with respect to every
// parameter and, where wanted, the Kronecker factors of every affine layer. It closes out when they are complete, and
// then reads the parameter stream to its end.
func Backward(params wire.ParamSource, in io.Reader, out io.WriteCloser, o BackwardOptions) error {
	source, err := openInput(in, wire.State, o.Limits)
	if err != nil {
		return err
	}
	header, n, err := networkOfParams(params)
	if err != nil {
		return fmt.Errorf("parameters: %w", err)
	}
	if err := checkStates(source, header, n); err != nil {
		return inInput(err)
	}
	settings, err := optim.Parse(header.Extra[keyOptimizer])
	if err != nil {
		return fmt.Errorf("parameters: %w", err)
	}
	be := o.Backend(n.Spec.DType)
	defer be.Close()
	b := &backward{be: be, net: n, options: o, settings: settings, host: hostBuffers{dtype: n.Spec.DType}}
	writer := wire.NewTensorWriter(out, wire.Header{Kind: wire.Gradient, Model: header.Model, ModelSHA256: header.ModelSHA256,
		Dataset: source.header.Dataset, Split: source.header.Split}, n.Spec.DType)
	if err := b.run(source, writer, params); err != nil {
		return err
	}
	if err := out.Close(); err != nil {
		return err
	}
	return finishParams(params)
}

// checkStates compares the stream with the parameters' model: it was made with it, and has x and every block's x1.
func checkStates(source *input, params wire.Header, n *model.Network) error {
	if err := sameModel(source.header, params); err != nil {
		return err
	}
	if err := checkColumn(source.columns, "x", n.Spec.Input); err != nil {
		return err
	}
	for _, s := range n.Segments {
		if s.ODE == nil {
			continue
		}
		if err := checkColumn(source.columns, s.ODE.Name+".x1", s.Chain.Out); err != nil {
			return err
		}
	}
	return nil
}

type backward struct {
	be       backend.Backend
	net      *model.Network
	options  BackwardOptions
	settings optim.Settings // of a checkpoint
	host     hostBuffers
	out      wire.Set
}

func (b *backward) run(source *input, writer *wire.TensorWriter, params wire.ParamSource) error {
	var batch wire.Samples
	watch := stopwatch{time.Now()}
	for k := 0; ; k++ {
		if err := source.next(&batch); err == io.EOF {
			return writer.Close()
		} else if err != nil {
			return err
		}
		step := stepOf(&batch, k)
		set, err := nextParams(params, step)
		if err != nil {
			return err
		}
		record := BatchRecord{Step: step, Wait: watch.lap()}
		b.out.Step = step
		mark := b.be.Mark()
		record.Loss, err = b.batch(&batch, set)
		b.be.Release(mark)
		if err != nil {
			return fmt.Errorf("mini-batch %d: %w", step, err)
		}
		record.Compute = watch.lap()
		if err := writer.Write(&b.out); err != nil {
			return err
		}
		record.Write = watch.lap()
		if b.options.Done != nil {
			b.options.Done(record)
		}
	}
}

// batch computes one mini-batch into b.out and returns the mean loss.
func (b *backward) batch(batch *wire.Samples, set *wire.Set) (float64, error) {
	w, err := upload(b.be, b.net, set)
	if err != nil {
		return 0, err
	}
	target, err := targetOf(b.net, batch)
	if err != nil {
		return 0, err
	}
	p := &pass{be: b.be, net: b.net, weights: w, factorStep: b.options.FactorStep}
	if b.wantsFactors(w, set.Step) {
		if err := factorsFit(b.net); err != nil {
			return 0, err
		}
		p.factors = adjoint.NewFactors(b.be, b.net.Affine())
	}
	p.forward(batch)
	mean, dy, err := p.lossGradient(target)
	if err != nil {
		return 0, err
	}
	if err := p.backward(dy); err != nil {
		return 0, err
	}
	return mean, b.collect(p, batch, mean)
}

// wantsFactors says whether the mini-batch in hand, computed with the parameters of a step, is to get Kronecker factors.
// Parameters of its own step say so themselves; those of another, from a checkpoint, have their optimizer asked.
func (b *backward) wantsFactors(w weights, paramStep int64) bool {
	switch {
	case b.options.SecondOrder != Auto:
		return b.options.SecondOrder == SNOpt
	case paramStep == b.out.Step:
		return w.refresh
	}
	return b.settings.Refreshes(b.out.Step)
}

// factorsFit names a layer whose Kronecker factors are too large to make.
func factorsFit(n *model.Network) error {
	for _, l := range n.Affine() {
		if side := max(l.Geometry.GramSize(), l.Geometry.Out); side > kfac.MaxSide {
			return fmt.Errorf("layer %s has a Kronecker factor of side %d, more than %d: %w", l.Name, side, kfac.MaxSide, ErrMismatch)
		}
	}
	return nil
}

// collect downloads the results into b.out.
func (b *backward) collect(p *pass, batch *wire.Samples, mean float64) error {
	b.out.Tensors = b.out.Tensors[:0]
	for i, param := range b.net.Params {
		b.add(wire.Grad, param.Name, p.grads[i])
	}
	if p.factors != nil {
		for _, l := range b.net.Affine() {
			b.add(wire.KronA, l.Name, p.factors.A[l])
			b.add(wire.KronB, l.Name, p.factors.B[l])
		}
	}
	for _, t := range b.out.Tensors {
		for i := range t.Value.Len() {
			if v := t.Value.At(i); math.IsNaN(v) || math.IsInf(v, 0) {
				return fmt.Errorf("%s of %s is %g at element %d: %w", t.Role, t.Name, v, i, ErrNonFinite)
			}
		}
	}
	b.out.AddScalar("loss", mean)
	b.out.AddScalar("batch_size", float64(batch.Rows))
	if c := batch.Column("nfe"); c != nil && c.Type == wire.Int32 {
		b.out.AddScalar("nfe_forward", float64(c.I32[0]))
	}
	b.out.AddScalar("nfe_backward", float64(p.evaluations))
	if c := batch.Column("epoch"); c != nil && c.Type == wire.Int32 {
		b.out.AddScalar("epoch", float64(c.I32[0]))
	}
	for i, o := range b.net.ODEs() {
		b.out.AddScalar(o.Name+".dphi_dt1", p.dphiDt1[i])
	}
	return nil
}

func (b *backward) add(role wire.Role, name string, x tensor.T) {
	value := b.host.values(string(role)+" "+name, x.Size())
	b.be.Download(value, x)
	b.out.Tensors = append(b.out.Tensors, wire.Tensor{Name: name, Role: role, Shape: x.Shape.Dims(), Value: value})
}
