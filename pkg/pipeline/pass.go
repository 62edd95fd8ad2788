package pipeline

import (
	"fmt"
	"math"

	"odepipe/pkg/adjoint"
	"odepipe/pkg/loss"
	"odepipe/pkg/nn"
	"odepipe/pkg/ode"
	"odepipe/pkg/tensor"
	"odepipe/pkg/wire"
)

// pass is one mini-batch on its way back through the segments.
type pass struct {
	*blocks
	wish     wish
	sampling Sampling
	factors  *adjoint.Factors // nil unless wanted
	vectors  []tensor.T       // of Proposition 2, at the output of the segment in hand; none: the gradient, scaled, is the only one
	rows     bool             // collect the vectors' p
	forwards bool             // solve the ODE blocks forwards, too, instead of taking their ends from the stream
	tangents bool             // there will be derivatives along directions

	bound          []*nn.Bound        // of each segment
	problems       []*adjoint.Problem // of each ODE segment, else nil
	recurrent      []*adjoint.Series  // of each series, else nil
	stored         tensor.Buffer      // states at the ends of the series' intervals as read [rows, T-1, m]
	input          tensor.T
	output         []tensor.T // of each segment: states at t1 as read, the rest recomputed
	cotangent      []tensor.T // dL/d(output) of each segment
	start          []tensor.T // x(t0) of each ODE segment as its backward solve found it
	inputCotangent tensor.T   // dL/d(input), where an ODE block comes first
	grads          []tensor.T // of the mean loss, in the order of Network.Params
	p              [][]tensor.T
	ends           []blockEnd // of each ODE block
	evaluations    int
}

// blockEnd is what a mini-batch's loss has to do with the ends of an ODE block's interval.
type blockEnd struct{ dphi, dt0, dt1 []float64 }

// forward recomputes the plain segments and takes the ODE blocks' states at t1 from the stream.
func (p *pass) forward(batch *wire.Samples) error {
	x := inputOf(p.be, p.net, batch)
	p.input = x
	index := 0
	for _, s := range p.net.Segments {
		bound := s.Chain.Bind(p.be, x.N, p.weights.chain(s))
		bound.AllowVJP()
		y, problem := tensor.T{}, (*adjoint.Problem)(nil)
		var series *adjoint.Series
		switch {
		case s.Cell != nil:
			var err error
			if series, err = p.series(s, bound, s.Cell.Bind(p.be, x.N, p.weights.cell(s)), batch); err != nil {
				return err
			}
			if series.NeedsJVP() {
				bound.AllowJVP()
			}
			index++
			if y, err = p.seriesEnd(series, s, batch); err != nil {
				return err
			}
		case s.ODE == nil:
			y = p.be.Batch(x.N, s.Chain.Out)
			bound.Forward(y, atZero, x)
		default:
			var err error
			if problem, err = p.problem(s, index, bound); err != nil {
				return err
			}
			index++
			p.allow(bound, problem)
			if y, err = p.stateAtEnd(problem, endColumn(s.ODE), x, batch); err != nil {
				return err
			}
		}
		if problem == nil {
			p.allow(bound, nil)
		}
		p.recurrent = append(p.recurrent, series)
		p.bound, p.problems, p.output = append(p.bound, bound), append(p.problems, problem), append(p.output, y)
		x = y
	}
	return nil
}

// allow makes room for the tangents that will be asked for.
func (p *pass) allow(bound *nn.Bound, problem *adjoint.Problem) {
	probes := 0
	if problem != nil {
		probes = len(problem.Costs.Probes)
	}
	if p.tangents || problem != nil && problem.NeedsJVP() {
		bound.AllowProbes(max(1, probes))
	}
}

// stateAtEnd is the state where a block's solve ends.
func (p *pass) stateAtEnd(problem *adjoint.Problem, column string, x tensor.T, batch *wire.Samples) (tensor.T, error) {
	if p.forwards {
		end, err := adjoint.Solve(problem, x, nil)
		return end.X, err
	}
	y := p.be.Batch(x.N, x.Shape)
	p.be.Upload(y, batch.Column(column).Value)
	return y, nil
}

// inputOf is the input of a segment.
func (p *pass) inputOf(segment int) tensor.T {
	if segment == 0 {
		return p.input
	}
	return p.output[segment-1]
}

// predictions are the model's outputs on the host [rows, width].
func (p *pass) predictions() ([]float64, int) {
	y := p.output[len(p.output)-1]
	pred := make([]float64, y.Size())
	p.be.Download(tensor.Buffer{F64: pred}, y)
	return pred, y.Shape.Size()
}

// lossGradient returns the mean loss and its gradient with respect to the model's output.
func (p *pass) lossGradient(target loss.Target) (float64, tensor.T, error) {
	pred, width := p.predictions()
	rows := p.blocks.rows
	grad := make([]float64, rows*width)
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
	dy := p.be.Batch(rows, p.net.Output)
	p.be.Upload(dy, tensor.Buffer{F64: grad})
	return mean, dy, nil
}

// backward carries dy = dL/d(output) through the segments, last to first. visit, if not nil, is called before each
// ODE block's backward solve.
func (p *pass) backward(dy tensor.T, visit func(segment int) error) error {
	for _, param := range p.net.Params {
		p.grads = append(p.grads, p.be.Plain(param.Shape))
	}
	count := len(p.net.Segments)
	p.cotangent, p.start = make([]tensor.T, count), make([]tensor.T, count)
	p.ends = make([]blockEnd, len(p.net.ODEs()))
	p.p = make([][]tensor.T, len(p.vectors))
	for i := range p.p {
		p.p[i] = make([]tensor.T, len(p.net.Params))
	}
	block := len(p.ends)
	for i := count - 1; i >= 0; i-- {
		p.cotangent[i] = dy
		if p.recurrent[i] != nil {
			block--
			p.ends[block] = blockEnd{[]float64{0}, []float64{0}, []float64{0}} // a series has no end to move
			return p.seriesBack(i, dy)
		}
		if p.problems[i] == nil {
			dy = p.plain(i, dy)
			continue
		}
		if visit != nil {
			if err := visit(i); err != nil {
				return err
			}
		}
		block--
		g, err := p.solveBack(i)
		if err != nil {
			return err
		}
		p.ends[block] = blockEnd{g.DPhi, g.Dt0, g.Dt1}
		dy = g.Dx0
	}
	p.inputCotangent = dy
	return nil
}

// plain is the vector-Jacobian product of a run of layers; the model's input needs no cotangent.
func (p *pass) plain(segment int, dy tensor.T) tensor.T {
	s := p.net.Segments[segment]
	in := func() tensor.T {
		if segment == 0 {
			return tensor.T{}
		}
		return p.be.Batch(dy.N, s.Chain.In)
	}
	want := nn.Cotangents{Params: p.grads[s.Params[0]:s.Params[1]], Dx: in()}
	if p.factors != nil && len(p.vectors) == 0 {
		want.Tap = p.factors.Tap(1, float64(dy.N)*float64(dy.N)) // dy carries the 1/N of the mean loss
	}
	p.bound[segment].VJP(want, dy)
	for i, v := range p.vectors {
		each := nn.Cotangents{Dx: in()}
		if p.factors != nil {
			each.Tap = p.factors.Tap(first(i), 1)
		}
		if p.rows {
			each.Each = p.rowsOf(i, s.Params)
		}
		p.bound[segment].VJP(each, v)
		p.vectors[i] = each.Dx
	}
	return want.Dx
}

// first is 1 for the first vector, whose inputs z are those of all.
func first(i int) float64 {
	if i == 0 {
		return 1
	}
	return 0
}

// rowsOf makes room for the p of vector i and a segment's parameters.
func (p *pass) rowsOf(i int, params [2]int) []tensor.T {
	for k := params[0]; k < params[1]; k++ {
		p.p[i][k] = p.be.Batch(p.blocks.rows, tensor.Of(p.net.Params[k].Shape.Size()))
	}
	return p.p[i][params[0]:params[1]]
}

// maxGrid bounds the steps of a block's grid of the factors: a mistyped one would run for years.
const maxGrid = 1e6

// solveBack is the backward solve of an ODE block.
func (p *pass) solveBack(segment int) (adjoint.Gradient, error) {
	s, problem := p.net.Segments[segment], p.problems[segment]
	want := adjoint.Want{Vectors: p.vectors, Rows: p.rows}
	if p.sampling.Terminal == GradientVector {
		p.scaleVectors(problem, func(length float64) float64 { return 1 / math.Sqrt(length) })
	}
	if p.factors != nil {
		if err := p.sampling.fits(problem); err != nil {
			return adjoint.Gradient{}, err
		}
		want.Samples = p.sampling.sampler(p.factors, s.Chain.Affine())
	}
	g, err := adjoint.Differentiate(problem, p.inputOf(segment), p.output[segment], p.cotangent[segment], want)
	p.evaluations += g.Stats.Evaluations
	if err != nil {
		return g, err
	}
	copy(p.grads[s.Params[0]:s.Params[1]], g.Params)
	if p.start[segment] = g.X0; g.X0.N == 0 {
		p.start[segment] = p.inputOf(segment)
	}
	copy(p.vectors, g.Vectors)
	count := s.Params[1] - s.Params[0]
	for i := range p.p {
		if p.rows {
			copy(p.p[i][s.Params[0]:], g.Rows[i*count:(i+1)*count])
		}
	}
	if p.sampling.Terminal == GradientVector {
		p.scaleVectors(problem, math.Sqrt)
	}
	return g, nil
}

// scaleVectors multiplies the vectors by a function of the length of their sample's interval: y = dPhi/dx / sqrt |t1 - t0|.
func (p *pass) scaleVectors(problem *adjoint.Problem, factor func(length float64) float64) {
	if len(p.vectors) == 0 {
		return
	}
	scale := repeated(factor(math.Abs(problem.T1-problem.T0)), p.blocks.rows)
	if problem.Span != nil {
		for n := range scale {
			scale[n] = factor(math.Abs(problem.Span.T1[n] - problem.Span.T0[n]))
		}
	}
	for i, v := range p.vectors {
		scaled := p.be.Batch(v.N, v.Shape)
		p.be.CombineEach(scaled, [][]float64{scale}, v)
		p.vectors[i] = scaled
	}
}

// fits refuses a grid of too many points.
func (s Sampling) fits(problem *adjoint.Problem) error {
	length := math.Abs(problem.T1 - problem.T0)
	if problem.Span != nil {
		length = 1
	}
	if s.Factors == "stages" || length/s.Step <= maxGrid {
		return nil
	}
	return fmt.Errorf("block %s: steps of %g from t1 = %g to t0 = %g for the factors: more than %g: %w",
		problem.Block, s.Step, problem.T1, problem.T0, maxGrid, ode.ErrOptions)
}

func (s Sampling) sampler(into *adjoint.Factors, layers []*nn.Affine) adjoint.Sampler {
	if s.Factors == "stages" {
		return &adjoint.Stages{Into: into, Layers: layers}
	}
	return &adjoint.Grid{Step: s.Step, Into: into}
}
