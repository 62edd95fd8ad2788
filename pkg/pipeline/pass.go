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

	bound          []*nn.Bound        // of each segment; nil of those that are bound on the way back only
	problems       []*adjoint.Problem // of each ODE segment so far bound, else nil
	recurrent      []*adjoint.Series  // of each series, else nil
	stored         tensor.Buffer      // states at the ends of the series' intervals as read [rows, T-1, m]
	input          tensor.T
	output         []tensor.T // of each segment: states at t1 as read, the rest recomputed where something looks at it
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

// forward takes the ODE blocks' states at t1 from the stream and computes the outputs of plain segments, except those that
// nothing looks at: their layers are run on the way back, group by group.
func (p *pass) forward(batch *wire.Samples) error {
	count := len(p.net.Segments)
	p.input = inputOf(p.be, p.net, batch)
	p.bound, p.problems, p.recurrent = make([]*nn.Bound, count), make([]*adjoint.Problem, count), make([]*adjoint.Series, count)
	p.output = make([]tensor.T, count)
	for i, s := range p.net.Segments {
		y := tensor.T{}
		var err error
		switch {
		case s.Cell != nil:
			y, err = p.seriesEnd(i, batch)
		case s.ODE == nil && p.looksAt(i):
			p.bind(i)
			p.allow(i)
			y = p.be.Batch(p.blocks.rows, s.Chain.Out)
			p.bound[i].Forward(y, atZero, p.inputOf(i))
		case s.ODE != nil:
			y, err = p.stateAtEnd(i, batch)
		}
		if err != nil {
			return err
		}
		p.output[i] = y
	}
	return nil
}

// keeps says whether what the way back makes of a segment is needed when that is behind it.
func (p *pass) keeps() bool {
	return p.rows || p.tangents || p.sampling.Terminal != GradientVector
}

// looksAt says whether the output of a plain segment is needed before its way back: by the loss, or by the next block.
func (p *pass) looksAt(segment int) bool {
	if p.keeps() || p.forwards || segment == len(p.net.Segments)-1 {
		return true
	}
	method := p.net.Segments[segment+1].ODE.Adjoint.Method
	return method != adjoint.Backsolve && method != ""
}

// bind gives a segment's layers their weights, and room for their cotangents.
func (p *pass) bind(segment int) *nn.Bound {
	s := p.net.Segments[segment]
	p.bound[segment] = s.Chain.Bind(p.be, p.blocks.rows, p.weights.chain(s))
	p.bound[segment].AllowVJP()
	return p.bound[segment]
}

// bindODE makes the problem of an ODE block.
func (p *pass) bindODE(segment int) error {
	index := 0
	for _, s := range p.net.Segments[:segment] {
		if s.ODE != nil {
			index++
		}
	}
	problem, err := p.problem(p.net.Segments[segment], index, p.bind(segment))
	if err != nil {
		return err
	}
	p.problems[segment] = problem
	p.allow(segment)
	return nil
}

// allow makes room for the tangents that will be asked for.
func (p *pass) allow(segment int) {
	own := 0
	if p.tangents {
		own = 1
	}
	if problem := p.problems[segment]; problem != nil {
		problem.AllowDifferentiate(p.net.Segments[segment].Chain.In, own)
	} else {
		p.bound[segment].AllowProbes(own)
	}
}

// stateAtEnd is the state where a block's solve ends.
func (p *pass) stateAtEnd(segment int, batch *wire.Samples) (tensor.T, error) {
	s := p.net.Segments[segment]
	if p.forwards || p.keeps() {
		if err := p.bindODE(segment); err != nil {
			return tensor.T{}, err
		}
	}
	if p.forwards {
		end, err := adjoint.Solve(p.problems[segment], p.inputOf(segment), nil)
		return end.X, err
	}
	y := p.be.Batch(p.blocks.rows, s.Chain.Out)
	p.be.Upload(y, batch.Column(endColumn(s.ODE)).Value)
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
		switch s := p.net.Segments[i]; {
		case s.Cell != nil:
			block--
			p.ends[block] = blockEnd{[]float64{0}, []float64{0}, []float64{0}} // a series has no end to move
			return p.seriesBack(i, dy)
		case s.ODE == nil:
			dy = p.plainSegment(i, dy)
		default:
			block--
			var err error
			if dy, p.ends[block], err = p.blockBack(i, visit); err != nil {
				return err
			}
		}
	}
	p.inputCotangent = dy
	return nil
}

// plainSegment is the vector-Jacobian product of a run of layers; the model's input needs no cotangent.
func (p *pass) plainSegment(segment int, dy tensor.T) tensor.T {
	s := p.net.Segments[segment]
	in := func() tensor.T {
		if segment == 0 {
			return tensor.T{}
		}
		return p.be.Batch(dy.N, s.Chain.In)
	}
	want := nn.Cotangents{Params: p.grads[s.Params[0]:s.Params[1]], Dx: in()}
	if p.bound[segment] == nil {
		p.plainBack(s, want.Dx, dy, p.inputOf(segment), want.Params, p.factors)
		return want.Dx
	}
	if p.factors != nil && len(p.vectors) == 0 {
		want.Tap = p.gradientTap(p.factors, dy.N)
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

// blockBack is the way back through an ODE block: the cotangent of its input, and what the loss has to do with its ends. What
// it allocates is given back unless it is needed later.
func (p *pass) blockBack(segment int, visit func(segment int) error) (dx tensor.T, end blockEnd, err error) {
	s := p.net.Segments[segment]
	dx = p.be.Batch(p.blocks.rows, s.Chain.In)
	mark := p.be.Mark()
	if p.bound[segment] == nil {
		if err := p.bindODE(segment); err != nil {
			return dx, end, err
		}
	}
	if visit != nil {
		if err := visit(segment); err != nil {
			return dx, end, err
		}
	}
	g, err := p.solveBack(segment)
	if err != nil {
		return dx, end, err
	}
	p.be.Combine(dx, []float64{1}, g.Dx0)
	for k, grad := range g.Params {
		p.be.Combine(p.grads[s.Params[0]+k], []float64{1}, grad)
	}
	if !p.keeps() {
		p.bound[segment], p.problems[segment] = nil, nil
		p.be.Release(mark)
	}
	return dx, blockEnd{g.DPhi, g.Dt0, g.Dt1}, nil
}

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
