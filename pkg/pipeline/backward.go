package pipeline

import (
	"fmt"
	"io"
	"time"

	"odepipe/pkg/adjoint"
	"odepipe/pkg/backend"
	"odepipe/pkg/model"
	"odepipe/pkg/optim"
	"odepipe/pkg/tensor"
	"odepipe/pkg/wire"
)

// BackwardOptions are odebackward's.
type BackwardOptions struct {
	Backend     func(tensor.DType) (backend.Backend, error)
	SecondOrder SecondOrder
	Sampling    Sampling // fields that are not zero overrule the optimizer
	Full        bool     // Theorem 1 with all second derivatives, not linearised
	Vectors     int      // Hessian-vector products for the diagonal of the Hessian; 0: dense Hessians of the ODE blocks
	Check       bool     // compare the gradient with the checkpointed one in float64
	Limits      wire.Limits
	Trace       io.Writer         // for a row of every attempted step; nil: none
	Dump        *Dump             // for the mini-batch of a numerical failure; nil: none
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
	be, err := o.Backend(n.Spec.DType)
	if err != nil {
		return err
	}
	defer be.Close()
	own := wire.Header{Kind: wire.Gradient, Model: header.Model, ModelSHA256: header.ModelSHA256, Dataset: source.header.Dataset, Split: source.header.Split}
	b := &backward{be: be, net: n, options: o, settings: settings, tracer: newTracer(o.Trace, own, wire.Backward)}
	writer := wire.NewTensorWriter(out, own, n.Spec.DType)
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
		shape := s.Chain.Out
		if s.Cell != nil {
			shape = tensor.Of(s.In.Dim[0]-1, s.ODE.Series.Hidden)
		}
		if err := checkColumn(source.columns, endColumn(s.ODE), shape); err != nil {
			return err
		}
	}
	return nil
}

// endColumn is the column of the state where a block's solve ends.
func endColumn(o *model.ODESpec) string {
	if o.Flow != nil {
		return o.Name + ".x0"
	}
	return o.Name + ".x1"
}

type backward struct {
	be       backend.Backend
	net      *model.Network
	options  BackwardOptions
	settings optim.Settings // of a checkpoint
	tracer   *tracer
	out      wire.Set
}

func (b *backward) run(source *input, writer *wire.TensorWriter, params wire.ParamSource) error {
	var batch wire.Samples
	watch := stopwatch{time.Now()}
	for k := 0; ; k++ {
		if err := source.next(&batch); err == io.EOF {
			if err := b.tracer.close(); err != nil {
				return err
			}
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
		keep := func(err error) error {
			err = fmt.Errorf("mini-batch %d: %w", step, err)
			return b.options.Dump.keep(err, "odebackward", step, paramsContent(params, set), samplesContent(source.header, &batch, step))
		}
		record.Loss, err = b.batch(&batch, set)
		if traced := b.tracer.write(step); err == nil { // a failed solve's steps are the ones to look at
			err = traced
		}
		if err != nil {
			return keep(err)
		}
		record.Compute = watch.lap()
		if err := writer.Write(&b.out); err != nil {
			return keep(err)
		}
		b.be.Release(mark)
		record.Write = watch.lap()
		if b.options.Done != nil {
			b.options.Done(record)
		}
	}
}

// batch computes one mini-batch into b.out, whose tensors stay in the arena, and returns the mean loss.
func (b *backward) batch(batch *wire.Samples, set *wire.Set) (float64, error) {
	w, err := upload(b.be, b.net, set)
	if err != nil {
		return 0, err
	}
	target, err := targetOf(b.net, batch)
	if err != nil {
		return 0, err
	}
	p, err := b.newPass(batch, w, set.Step)
	if err != nil {
		return 0, err
	}
	if err := p.forward(batch); err != nil {
		return 0, err
	}
	meanLoss, dy, err := p.lossGradient(target)
	if err != nil {
		return 0, err
	}
	if c := batch.Column("loss"); b.net.Loss.Density && c != nil && c.Type == wire.Values {
		meanLoss = mean(c.Value) // with what the flow changes
	}
	b.out.Tensors = b.out.Tensors[:0]
	if p.rows || p.sampling.Terminal != GradientVector {
		if err := p.startVectors(dy); err != nil {
			return 0, err
		}
	}
	var visit func(int) error
	if p.wish.theorem1 {
		visit = func(segment int) error { return b.theorem1(p, segment) }
	}
	if err := p.backward(dy, visit); err != nil {
		return 0, err
	}
	if p.wish.recursive {
		if err := b.recursive(p); err != nil {
			return 0, err
		}
	}
	b.collect(p)
	if b.options.Check {
		if err := b.check(p, batch, set); err != nil {
			return 0, err
		}
	}
	b.scalars(p, batch, meanLoss)
	return meanLoss, b.finiteScalars()
}

// newPass prepares what the mini-batch's second-order mode needs.
func (b *backward) newPass(batch *wire.Samples, w weights, paramStep int64) (*pass, error) {
	blocks, err := newBlocks(b.be, b.net, w, batch, b.out.Step)
	if err != nil {
		return nil, err
	}
	blocks.tracer = b.tracer
	p := &pass{blocks: blocks, wish: b.wanted(w, paramStep), sampling: Sampling{Terminal: GradientVector}}
	p.tangents = p.wish.recursive || p.wish.theorem1 && b.options.Full
	switch {
	case p.wish.factors:
		if err := factorsFit(b.net); err != nil {
			return nil, err
		}
		p.factors, p.rows, p.sampling = adjoint.NewFactors(b.be, b.net.Affine()), p.wish.rows, b.sampling()
	case p.wish.theorem1:
		p.sampling.Terminal = ExactFactor
	}
	special := b.net.Loss.Density || b.net.Segments[0].Cell != nil
	if special && (p.rows || p.wish.theorem1 || p.wish.recursive || p.sampling.Terminal != GradientVector) {
		return nil, fmt.Errorf("of flows and series there are Kronecker factors of the gradient alone, no other second-order quantities: %w", ErrMismatch)
	}
	if blocks.span != nil && (p.wish.theorem1 || p.wish.recursive) {
		return nil, fmt.Errorf("second derivatives need one interval for all samples, the stream has columns t0 or t1: %w", ErrMismatch)
	}
	return p, nil
}
