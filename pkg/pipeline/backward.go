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

// SecondOrder says which second-order information odebackward writes.
type SecondOrder string

// The modes of --second-order.
const (
	Auto      SecondOrder = ""          // what the optimizer wants, on the mini-batches for which it wants it
	SNOpt     SecondOrder = "snopt"     // Kronecker factors
	None      SecondOrder = "none"      // nothing
	LowRank   SecondOrder = "lowrank"   // Kronecker factors, and the rows p_i of Proposition 2 for all parameters
	Theorem1  SecondOrder = "theorem1"  // Q_uu(t0) of Theorem 1 for every ODE block
	Recursive SecondOrder = "recursive" // Hessians by the adjoint of the adjoint
)

// SecondOrders lists the modes that can be asked for by name.
var SecondOrders = []string{string(SNOpt), string(None), string(LowRank), string(Theorem1), string(Recursive)}

// BackwardOptions are odebackward's.
type BackwardOptions struct {
	Backend     func(tensor.DType) backend.Backend
	SecondOrder SecondOrder
	Sampling    Sampling // fields that are not zero overrule the optimizer
	Full        bool     // Theorem 1 with all second derivatives, not linearised
	Vectors     int      // Hessian-vector products for the diagonal of the Hessian; 0: dense Hessians of the ODE blocks
	Check       bool     // compare the gradient with the checkpointed one in float64
	Limits      wire.Limits
	Trace       io.Writer         // for a row of every attempted step; nil: none
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
	own := wire.Header{Kind: wire.Gradient, Model: header.Model, ModelSHA256: header.ModelSHA256, Dataset: source.header.Dataset, Split: source.header.Split}
	b := &backward{be: be, net: n, options: o, settings: settings, host: hostBuffers{dtype: n.Spec.DType}, tracer: newTracer(o.Trace, own, wire.Backward)}
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
	host     hostBuffers
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
		record.Loss, err = b.batch(&batch, set)
		b.be.Release(mark)
		if traced := b.tracer.write(step); err == nil { // a failed solve's steps are the ones to look at
			err = traced
		}
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
	return meanLoss, b.finite()
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
	if b.net.Loss.Density && (p.rows || p.wish.theorem1 || p.wish.recursive || p.sampling.Terminal != GradientVector) {
		return nil, fmt.Errorf("of flows there are Kronecker factors of the gradient alone, no other second-order quantities: %w", ErrMismatch)
	}
	if blocks.span != nil && (p.wish.theorem1 || p.wish.recursive) {
		return nil, fmt.Errorf("second derivatives need one interval for all samples, the stream has columns t0 or t1: %w", ErrMismatch)
	}
	return p, nil
}

// wish is what a mini-batch is to yield beside its gradient.
type wish struct {
	factors, rows, theorem1, recursive bool
	vectors                            int // Hessian-vector products of recursive; 0: dense Hessians
}

// wanted is the wish for the mini-batch in hand, computed with the parameters of a step. Parameters of its own step say
// themselves whether their optimizer wants something; for those of another, from a checkpoint, its settings do.
func (b *backward) wanted(w weights, paramStep int64) wish {
	switch b.options.SecondOrder {
	case SNOpt:
		return wish{factors: true}
	case LowRank:
		return wish{factors: true, rows: true}
	case Theorem1:
		return wish{theorem1: true}
	case Recursive:
		return wish{recursive: true, vectors: b.options.Vectors}
	case Auto:
		if paramStep == b.out.Step && w.refresh || paramStep != b.out.Step && b.settings.Refreshes(b.out.Step) {
			factors, probes := b.settings.Curvature()
			return wish{factors: factors, recursive: probes > 0, vectors: int(probes)}
		}
	}
	return wish{}
}

// sampling is the optimizer's way to sample factors, but for what the options say.
func (b *backward) sampling() Sampling {
	sampler, step, terminal, rank := b.settings.Sampling()
	s := Sampling{Factors: sampler, Step: step, Terminal: Terminal(terminal), Rank: int(rank)}
	own := b.options.Sampling
	if own.Factors != "" {
		s.Factors = own.Factors
	}
	if own.Step != 0 {
		s.Step = own.Step
	}
	if own.Rank > 1 {
		s.Terminal, s.Rank = DrawnVectors, own.Rank
	}
	if own.Terminal != "" {
		s.Terminal = own.Terminal
	}
	return s
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
