package pipeline

import (
	"fmt"
	"io"
	"math"
	"time"

	"odepipe/pkg/adjoint"
	"odepipe/pkg/backend"
	"odepipe/pkg/kfac"
	"odepipe/pkg/loss"
	"odepipe/pkg/model"
	"odepipe/pkg/nn"
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
	be := o.Backend(n.Spec.DType)
	defer be.Close()
	b := &backward{be: be, net: n, options: o, host: hostBuffers{dtype: n.Spec.DType}}
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
	be      backend.Backend
	net     *model.Network
	options BackwardOptions
	host    hostBuffers
	out     wire.Set
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
	if b.options.SecondOrder == SNOpt || b.options.SecondOrder == Auto && w.refresh {
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

// factorsFit names a layer whose Kronecker factors are too large to make.
func factorsFit(n *model.Network) error {
	for _, l := range n.Affine() {
		if side := max(l.Geometry.GramSize(), l.Geometry.Out); side > kfac.MaxSide {
			return fmt.Errorf("layer %s has a Kronecker factor of side %d, more than %d: %w", l.Name, side, kfac.MaxSide, ErrMismatch)
		}
	}
	return nil
}

// pass is one mini-batch on its way back through the segments.
type pass struct {
	be         backend.Backend
	net        *model.Network
	weights    weights
	factors    *adjoint.Factors // nil unless wanted
	factorStep float64

	bound       []*nn.Bound // of each segment
	output      []tensor.T  // of each segment: states at t1 as read, the rest recomputed
	grads       []tensor.T  // of the mean loss, in the order of Network.Params
	dphiDt1     []float64   // of each ODE block
	evaluations int
}

// forward recomputes the plain segments and takes the ODE blocks' states at t1 from the stream.
func (p *pass) forward(batch *wire.Samples) {
	x := p.be.Batch(batch.Rows, p.net.Spec.Input)
	p.be.Upload(x, batch.Column("x").Value)
	for _, s := range p.net.Segments {
		bound := s.Chain.Bind(p.be, x.N, p.weights.of(s))
		bound.AllowVJP()
		y := p.be.Batch(x.N, s.Chain.Out)
		if s.ODE == nil {
			bound.Forward(y, 0, x)
		} else {
			p.be.Upload(y, batch.Column(s.ODE.Name+".x1").Value)
		}
		p.bound, p.output = append(p.bound, bound), append(p.output, y)
		x = y
	}
}

// lossGradient returns the mean loss and its gradient with respect to the model's output.
func (p *pass) lossGradient(target loss.Target) (float64, tensor.T, error) {
	y := p.output[len(p.output)-1]
	rows, width := y.N, y.Shape.Size()
	pred, grad := make([]float64, rows*width), make([]float64, rows*width)
	p.be.Download(tensor.Buffer{F64: pred}, y)
	mean := 0.0
	for n := range rows {
		l := p.net.Loss.Row(pred[n*width:(n+1)*width], grad[n*width:(n+1)*width], target, n)
		if math.IsNaN(l) || math.IsInf(l, 0) {
			return 0, tensor.T{}, fmt.Errorf("sample %d: the loss is %g: %w", n, l, ErrNonFinite)
		}
		mean += l / float64(rows)
	}
	for i := range grad {
		grad[i] /= float64(rows) // of the mean
	}
	dy := p.be.Batch(rows, y.Shape)
	p.be.Upload(dy, tensor.Buffer{F64: grad})
	return mean, dy, nil
}

// backward carries dy = dL/d(output) through the segments, last to first.
func (p *pass) backward(dy tensor.T) error {
	for _, param := range p.net.Params {
		p.grads = append(p.grads, p.be.Plain(param.Shape))
	}
	odes := p.net.ODEs()
	p.dphiDt1 = make([]float64, len(odes))
	for i := len(p.net.Segments) - 1; i >= 0; i-- {
		s := p.net.Segments[i]
		grads := p.grads[s.Params[0]:s.Params[1]]
		if s.ODE == nil {
			dy = p.plain(i, grads, dy)
			continue
		}
		block := len(odes) - 1
		odes = odes[:block]
		g, err := p.backsolve(i, p.weights.t1[block], dy)
		if err != nil {
			return err
		}
		copy(grads, g.Params)
		p.dphiDt1[block] = g.Dt1
		p.evaluations += g.Stats.Evaluations
		dy = g.Dx0
	}
	return nil
}

// plain is the vector-Jacobian product of a run of layers; the model's input needs no cotangent.
func (p *pass) plain(segment int, grads []tensor.T, dy tensor.T) tensor.T {
	s := p.net.Segments[segment]
	want := nn.Cotangents{Params: grads}
	if segment > 0 {
		want.Dx = p.be.Batch(dy.N, s.Chain.In)
	}
	if p.factors != nil {
		want.Tap = p.factors.Tap(1, 1)
	}
	p.bound[segment].VJP(want, dy)
	return want.Dx
}

func (p *pass) backsolve(segment int, t1 float64, a1 tensor.T) (adjoint.Gradient, error) {
	s := p.net.Segments[segment]
	problem := adjoint.Problem{Backend: p.be, Field: p.bound[segment], Params: s.Chain.Params(), Block: s.ODE.Name,
		T0: s.ODE.T0, T1: t1, Solver: s.ODE.Adjoint.Solver, SemiNorm: s.ODE.Adjoint.SemiNorm}
	var samples *adjoint.Grid
	if p.factors != nil {
		samples = &adjoint.Grid{Step: p.factorStep, Into: p.factors}
	}
	return adjoint.Backsolve(problem, p.output[segment], a1, samples)
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
