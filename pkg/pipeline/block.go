package pipeline

import (
	"fmt"
	"math"
	"math/rand/v2"

	"odepipe/pkg/adjoint"
	"odepipe/pkg/backend"
	"odepipe/pkg/model"
	"odepipe/pkg/nn"
	"odepipe/pkg/tensor"
	"odepipe/pkg/wire"
)

// blocks turns the ODE blocks of one mini-batch into problems.
type blocks struct {
	be      backend.Backend
	net     *model.Network
	weights weights
	rows    int
	step    int64
	span    *adjoint.Span // intervals of the samples' own, or nil
	index   []int64       // row of each sample in the data set
	measure bool          // costs along the path, even of weight 0
	exact   bool          // flows have their divergence by all unit vectors
	tracer  *tracer
}

// newBlocks takes the samples' own intervals from the columns t0 and t1 where the mini-batch has them.
func newBlocks(be backend.Backend, n *model.Network, w weights, batch *wire.Samples, step int64) (*blocks, error) {
	b := &blocks{be: be, net: n, weights: w, rows: batch.Rows, step: step}
	if c := batch.Column("index"); c != nil && c.Type == wire.Int64 {
		b.index = c.I64
	}
	ends := [2][]float64{}
	for i, name := range []string{"t0", "t1"} {
		c := batch.Column(name)
		if c == nil {
			continue
		}
		if c.Type != wire.Values || len(c.Shape) > 0 {
			return nil, fmt.Errorf("column %s is not one number for each sample: %w", name, ErrMismatch)
		}
		for row := range batch.Rows {
			ends[i] = append(ends[i], c.Value.At(row))
		}
	}
	if ends[0] == nil && ends[1] == nil {
		return b, nil
	}
	b.span = &adjoint.Span{T0: ends[0], T1: ends[1]}
	return b, nil
}

// problem is the block of a segment, the index-th of the model, as a problem for its bound field.
func (b *blocks) problem(segment model.Segment, index int, field *nn.Bound) (*adjoint.Problem, error) {
	o := segment.ODE
	p := &adjoint.Problem{Backend: b.be, Field: field, Params: segment.Chain.Params(), Block: o.Name,
		T0: o.T0, T1: b.weights.t1[index], Forward: o.Solver, Method: o.Adjoint.Method, Solver: o.Adjoint.Solver,
		SemiNorm: o.Adjoint.SemiNorm, Memory: o.Adjoint.Memory}
	p.Trace = b.tracer.solve(o.Name)
	b.addCosts(p, segment, index)
	if o.Flow != nil {
		p.T0, p.T1 = p.T1, p.T0 // data come in at t1
	}
	if b.span != nil {
		p.Span = &adjoint.Span{T0: b.span.T0, T1: b.span.T1}
		if o.Flow != nil {
			p.Span = &adjoint.Span{T0: b.span.T1, T1: b.span.T0}
		}
		for _, end := range []struct {
			times *[]float64
			model float64
		}{{&p.Span.T0, p.T0}, {&p.Span.T1, p.T1}} {
			if *end.times == nil {
				*end.times = repeated(end.model, b.rows)
			}
		}
		for n := range b.rows {
			if length := p.Span.T1[n] - p.Span.T0[n]; length == 0 || math.IsNaN(length) || math.IsInf(length, 0) {
				return nil, fmt.Errorf("sample %d: block %s cannot run from t0 = %g to t1 = %g: %w", n, o.Name, p.Span.T0[n], p.Span.T1[n], ErrMismatch)
			}
		}
	}
	return p, nil
}

// addCosts gives a block the costs along its path, with the weights that they have in the mean loss.
func (b *blocks) addCosts(p *adjoint.Problem, segment model.Segment, index int) {
	o, rows := segment.ODE, float64(b.rows)
	p.Costs = adjoint.Costs{Kinetic: o.Costs.Kinetic / rows, Jacobian: o.Costs.Jacobian / rows,
		Measure: b.measure || o.Flow != nil || o.Costs != model.Costs{}}
	shape := segment.Chain.In
	switch {
	case o.Flow != nil:
		p.Costs.Divergence = -1 / rows // the loss is minus the log-density
		if b.exact || o.Flow.Divergence == "exact" {
			p.Costs.Units = true
			return
		}
		p.Costs.Probes = []tensor.T{b.probe(shape, index, o.Flow.Seed, o.Flow.Divergence == "gaussian")}
	case o.Costs.Jacobian != 0 || b.measure:
		p.Costs.Probes = []tensor.T{b.probe(shape, index, 0, false)}
	}
}

func repeated(value float64, n int) []float64 {
	all := make([]float64, n)
	for i := range all {
		all[i] = value
	}
	return all
}

// probe draws a vector for each sample, of random signs or standard normal: a pure function of the seed, the step, the
// block and the sample's row in the data set, the same forwards and backwards.
func (b *blocks) probe(shape tensor.Shape, block, seed int, gaussian bool) tensor.T {
	size := shape.Size()
	host := make([]float64, b.rows*size)
	for n := range b.rows {
		row := int64(n)
		if b.index != nil {
			row = b.index[n]
		}
		rng := rand.New(rand.NewPCG(uint64(seed)<<32^uint64(b.step), uint64(block)<<48^uint64(row)))
		for i := n * size; i < (n+1)*size; i++ {
			if gaussian {
				host[i] = rng.NormFloat64()
			} else {
				host[i] = float64(rng.IntN(2)*2 - 1)
			}
		}
	}
	e := b.be.Batch(b.rows, shape)
	b.be.Upload(e, tensor.Buffer{F64: host})
	return e
}
