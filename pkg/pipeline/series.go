package pipeline

import (
	"fmt"
	"math"

	"odepipe/pkg/adjoint"
	"odepipe/pkg/model"
	"odepipe/pkg/nn"
	"odepipe/pkg/tensor"
	"odepipe/pkg/wire"
)

// series makes the problem of an ODE-RNN block of a mini-batch: x [T, C] of every sample, true lengths in the column length,
// times in the column times [T]. A value that is NaN was not observed. Points beyond the longest length are left out.
func (b *blocks) series(segment model.Segment, field *nn.Bound, cell *nn.BoundGRU, batch *wire.Samples) (*adjoint.Series, error) {
	o := segment.ODE
	if b.span != nil {
		return nil, fmt.Errorf("block %s is a series: the columns t0 and t1 have no meaning, times has: %w", o.Name, ErrMismatch)
	}
	if b.measure {
		return nil, fmt.Errorf("block %s is a series: there are no costs along its path: %w", o.Name, ErrMismatch)
	}
	s := &adjoint.Series{Cell: cell, Weights: segment.Cell.Params(), Hidden: segment.Chain.In, Problem: adjoint.Problem{Backend: b.be, Field: field, Params: segment.Chain.Params(), Block: o.Name,
		Forward: o.Solver, Method: o.Adjoint.Method, Solver: o.Adjoint.Solver, SemiNorm: o.Adjoint.SemiNorm, Memory: o.Adjoint.Memory,
		Trace: b.tracer.solve(o.Name)}}
	points, channels := b.net.Spec.Input.Dim[0], b.net.Spec.Input.Dim[1]
	longest := 0
	lengths := batch.Column("length")
	for n := range b.rows {
		length := points
		if lengths != nil && lengths.Type == wire.Int32 {
			length = int(lengths.I32[n])
		}
		if length < 1 || length > points {
			return nil, fmt.Errorf("sample %d: length %d, the model has 1 to %d points: %w", n, length, points, ErrMismatch)
		}
		s.Last = append(s.Last, length-1)
		longest = max(longest, length)
	}
	if err := b.addTimes(s, batch, longest, points); err != nil {
		return nil, err
	}
	x := batch.Column("x").Value
	counts := make([]float64, b.rows*channels) // of observations so far
	for i := range longest {
		input := make([]float64, 0, b.rows*o.Series.Inputs(channels))
		observed := make([]float64, b.rows)
		for n := range b.rows {
			values := x.Slice((n*points+i)*channels, (n*points+i+1)*channels)
			own := counts[n*channels : (n+1)*channels]
			input = appendPoint(input, o.Series, values, own, i, step(s, i, n), &observed[n])
		}
		batch := b.be.Batch(b.rows, tensor.Of(o.Series.Inputs(channels)))
		b.be.Upload(batch, tensor.Buffer{F64: input})
		s.Inputs, s.Observed = append(s.Inputs, batch), append(s.Observed, observed)
	}
	return s, nil
}

// appendPoint appends what the cell reads at point i of a sample: its values, 0 for those that were not observed, and, with
// all channels, the time since the point before and, of every value, the share of points so far at which it was
// observed. counts are of these, own says whether there was any.
func appendPoint(input []float64, spec *model.Series, values tensor.Buffer, counts []float64, i int, step float64, own *float64) []float64 {
	if spec.Channels == "all" {
		input = append(input, step)
	}
	for c := range counts {
		if !math.IsNaN(values.At(c)) {
			counts[c]++
			*own = 1
		}
	}
	if spec.Channels == "all" {
		for _, count := range counts {
			input = append(input, count/float64(i+1))
		}
	}
	for c := range counts {
		v := values.At(c)
		if math.IsNaN(v) {
			v = 0
		}
		input = append(input, v)
	}
	return input
}

// step is the time between point i of sample n and the point before.
func step(s *adjoint.Series, i, n int) float64 {
	switch {
	case i == 0:
		return 0
	case s.Times == nil:
		return 1
	}
	return s.Times[i][n] - s.Times[i-1][n]
}

// addTimes takes the column times, which must increase up to each sample's last point; beyond it time goes on in units.
func (b *blocks) addTimes(s *adjoint.Series, batch *wire.Samples, longest, points int) error {
	c := batch.Column("times")
	if c == nil {
		return nil
	}
	if c.Type != wire.Values || len(c.Shape) != 1 || c.Shape[0] != points {
		return fmt.Errorf("column times is not [%d] for each sample: %w", points, ErrMismatch)
	}
	s.Times = make([][]float64, longest)
	for i := range s.Times {
		s.Times[i] = make([]float64, b.rows)
		for n := range b.rows {
			if i > s.Last[n] {
				s.Times[i][n] = s.Times[i-1][n] + 1
				continue
			}
			t := c.Value.At(n*points + i)
			if math.IsNaN(t) || math.IsInf(t, 0) || i > 0 && !(t > s.Times[i-1][n]) {
				return fmt.Errorf("sample %d: time %d is %g, it must be above the one before: %w", n, i, t, ErrMismatch)
			}
			s.Times[i][n] = t
		}
	}
	return nil
}

// interval moves the states of one interval between their column [rows, T-1, m] and a host buffer [rows, m].
func interval(column, state tensor.Buffer, i, rows, intervals, m int, load bool) {
	for n := range rows {
		at := (n*intervals + i - 1) * m
		stored, own := column.Slice(at, at+m), state.Slice(n*m, (n+1)*m)
		if load {
			own.Copy(stored)
		} else {
			stored.Copy(own)
		}
	}
}

// loader writes the stored state at the end of an interval.
func (p *pass) loader(s model.Segment) func(i int, x1 tensor.T) {
	rows, intervals, m := p.blocks.rows, s.In.Dim[0]-1, s.ODE.Series.Hidden
	state := p.be.DType().Make(rows * m)
	return func(i int, x1 tensor.T) {
		interval(p.stored, state, i, rows, intervals, m, true)
		p.be.Upload(x1, state)
	}
}

// seriesEnd is the state at each sample's last point, computed from the stored states, or by solving.
func (p *pass) seriesEnd(segment int, batch *wire.Samples) (tensor.T, error) {
	s := p.net.Segments[segment]
	series, err := p.series(s, p.bind(segment), s.Cell.Bind(p.be, p.blocks.rows, p.weights.cell(s)), batch)
	if err != nil {
		return tensor.T{}, err
	}
	series.AllowDifferentiate(series.Hidden, 0)
	p.recurrent[segment] = series
	p.stored = batch.Column(s.ODE.Name + ".x1").Value
	if !p.forwards {
		return series.End(p.loader(s)), nil
	}
	rows, intervals, m := p.blocks.rows, s.In.Dim[0]-1, s.ODE.Series.Hidden
	p.stored = p.be.DType().Make(rows * intervals * m)
	state := p.be.DType().Make(rows * m)
	end, _, err := series.Solve(func(i int, x1 tensor.T) {
		p.be.Download(state, x1)
		interval(p.stored, state, i, rows, intervals, m, false)
	})
	return end, err
}

// seriesBack is the way back through a series, which is the model's first segment.
func (p *pass) seriesBack(segment int, dy tensor.T) error {
	s := p.net.Segments[segment]
	var sampler func() adjoint.Sampler
	if p.factors != nil {
		sampler = func() adjoint.Sampler { return p.sampling.sampler(p.factors, s.Chain.Affine()) }
	}
	g, err := p.recurrent[segment].Differentiate(p.loader(s), dy, sampler)
	p.evaluations += g.Stats.Evaluations
	if err != nil {
		return err
	}
	copy(p.grads[s.Params[0]:], g.Params)
	copy(p.grads[s.Params[0]+len(g.Params):s.Params[1]], g.Cell)
	return nil
}
