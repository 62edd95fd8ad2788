package pipeline

import (
	"fmt"
	"math"

	"odepipe/pkg/adjoint"
	"odepipe/pkg/backend"
	"odepipe/pkg/loss"
	"odepipe/pkg/model"
	"odepipe/pkg/nn"
	"odepipe/pkg/ode"
	"odepipe/pkg/tensor"
	"odepipe/pkg/wire"
)

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
			bound.Forward(y, atZero, x)
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

// maxGrid bounds the steps of a block's grid of the factors: a mistyped one would run for years.
const maxGrid = 1e6

func (p *pass) backsolve(segment int, t1 float64, a1 tensor.T) (adjoint.Gradient, error) {
	s := p.net.Segments[segment]
	problem := adjoint.Problem{Backend: p.be, Field: p.bound[segment], Params: s.Chain.Params(), Block: s.ODE.Name,
		T0: s.ODE.T0, T1: t1, Solver: s.ODE.Adjoint.Solver, SemiNorm: s.ODE.Adjoint.SemiNorm}
	var samples *adjoint.Grid
	if p.factors != nil {
		if !(math.Abs(t1-s.ODE.T0)/p.factorStep <= maxGrid) {
			return adjoint.Gradient{}, fmt.Errorf("block %s: steps of %g from t1 = %g to t0 = %g for the factors: more than %g: %w",
				s.ODE.Name, p.factorStep, t1, s.ODE.T0, maxGrid, ode.ErrOptions)
		}
		samples = &adjoint.Grid{Step: p.factorStep, Into: p.factors}
	}
	return adjoint.Backsolve(problem, p.output[segment], a1, samples)
}
