package adjoint

import (
	"odepipe/pkg/nn"
	"odepipe/pkg/ode"
	"odepipe/pkg/tensor"
)

// Series is an ODE-RNN (Rubanova et al. 2019): between the points of a series the state follows an ODE, at a point a GRU cell
// changes it,
//
//	h_0 = cell(x_0, 0)      x1_i = solve(h_(i-1), t_(i-1), t_i)      h_i = cell(x_i, x1_i)
//
// where something was observed, else h_i = x1_i. The result is the state h at each sample's last point. Samples that have
// ended start from 0 again at every point: what follows of them has no effect, and stays small.
//
// The first step of an interval is the last accepted one of the interval before, in both directions.
type Series struct {
	Problem  // of the intervals; T0, T1 and Span are theirs, costs are not possible
	Cell     *nn.BoundGRU
	Weights  []nn.Param   // of the cell
	Hidden   tensor.Shape // of the state
	Inputs   []tensor.T   // x_i of every point, batches
	Observed [][]float64  // of every point and sample: 1 where the cell is to change the state, else 0
	Last     []int        // index of each sample's last point
	Times    [][]float64  // of every point and sample, units of t; nil: 0, 1, 2, ...
}

// interval is the solve between point i-1 and point i. last is the step size to begin with, 0 for none.
func (s *Series) interval(i int, last float64) *Problem {
	p := s.Problem
	p.T0, p.T1 = float64(i-1), float64(i)
	if s.Times != nil {
		p.Span = &Span{T0: s.Times[i-1], T1: s.Times[i]}
	}
	for _, o := range []*ode.Options{&p.Forward, &p.Solver} {
		if scheme, err := ode.Method(o.Method); err == nil && scheme.Adaptive() && o.Step == 0 && last > 0 {
			o.FirstStep = last
		}
	}
	return &p
}

// masks are the coefficients by sample of what the cell yields and of the state before it at point i; nil if the cell is
// applied to all samples.
func (s *Series) masks(i int) (cell, state []float64) {
	all := true
	cell, state = make([]float64, len(s.Last)), make([]float64, len(s.Last))
	for n, last := range s.Last {
		if i > last {
			all = false
			continue
		}
		cell[n], state[n] = s.Observed[i][n], 1-s.Observed[i][n]
		all = all && cell[n] == 1
	}
	if all {
		return nil, nil
	}
	return cell, state
}

// update writes h_i from the state x before the point.
func (s *Series) update(h tensor.T, i int, x tensor.T) {
	s.Cell.Forward(h, s.Inputs[i], x)
	if cell, state := s.masks(i); cell != nil {
		s.Backend.CombineEach(h, [][]float64{cell, state}, h, x)
	}
}

// ending are the coefficients of samples that end at point i; nil if none do.
func (s *Series) ending(i int) []float64 {
	var rows []float64
	for n, last := range s.Last {
		if last == i {
			if rows == nil {
				rows = make([]float64, len(s.Last))
			}
			rows[n] = 1
		}
	}
	return rows
}

// Solve runs the series and returns the state at each sample's last point. visit sees x1_i, for i from 1.
func (s *Series) Solve(visit func(i int, x1 tensor.T)) (tensor.T, ode.Stats, error) {
	be, stats := s.Backend, ode.Stats{}
	shape := s.Hidden
	h, x, out := be.Batch(len(s.Last), shape), be.Batch(len(s.Last), shape), be.Batch(len(s.Last), shape)
	be.Combine(x, nil)
	be.Combine(out, nil)
	for i := range s.Inputs {
		if i > 0 {
			mark := be.Mark()
			end, err := Solve(s.interval(i, stats.LastStep), h, nil)
			stats.Evaluations += end.Stats.Evaluations
			stats.LastStep = end.Stats.LastStep
			if err != nil {
				return tensor.T{}, stats, err
			}
			be.Combine(x, []float64{1}, end.X)
			be.Release(mark)
			visit(i, x)
		}
		s.update(h, i, x)
		if ending := s.ending(i); ending != nil {
			be.CombineEach(out, [][]float64{ones(len(ending)), ending}, out, h)
		}
	}
	return out, stats, nil
}

// End is the result from the states x1_i at the ends of the intervals, which load writes.
func (s *Series) End(load func(i int, x1 tensor.T)) tensor.T {
	be := s.Backend
	h, x, out := be.Batch(len(s.Last), s.Hidden), be.Batch(len(s.Last), s.Hidden), be.Batch(len(s.Last), s.Hidden)
	be.Combine(x, nil)
	be.Combine(out, nil)
	for i := range s.Inputs {
		ending := s.ending(i)
		if ending == nil {
			continue
		}
		if i > 0 {
			load(i, x)
		}
		s.update(h, i, x)
		be.CombineEach(out, [][]float64{ones(len(ending)), ending}, out, h)
	}
	return out
}

func ones(n int) []float64 {
	all := make([]float64, n)
	for i := range all {
		all[i] = 1
	}
	return all
}

// SeriesGradient is what the way back through a series yields.
type SeriesGradient struct {
	Params, Cell []tensor.T // dL/dtheta of the field and of the cell
	Stats        ode.Stats
}

// Differentiate goes back through the series from dout = dL/d(result). load writes x1_i. sampler, if not nil, makes a sampler
// of Kronecker factors for an interval; those of all intervals add up. Errors are those of ode.Solve.
func (s *Series) Differentiate(load func(i int, x1 tensor.T), dout tensor.T, sampler func() Sampler) (SeriesGradient, error) {
	be, rows := s.Backend, len(s.Last)
	batch := func() tensor.T { return be.Batch(rows, dout.Shape) }
	a, x, before, h := batch(), batch(), batch(), batch()
	g := SeriesGradient{Cell: s.zeros(s.Weights), Params: s.zeros(s.Problem.Params)}
	be.Combine(a, nil)
	for i := len(s.Inputs) - 1; ; i-- {
		if ending := s.ending(i); ending != nil {
			be.CombineEach(a, [][]float64{ones(rows), ending}, a, dout)
		}
		be.Combine(x, nil)
		if i > 0 {
			load(i, x)
		}
		s.updateBack(before, g.Cell, a, i, x)
		if i == 0 {
			return g, be.Err()
		}
		if s.Method == Interpolated || s.Method == Checkpointed {
			x0 := batch()
			be.Combine(x0, nil)
			if i > 1 {
				load(i-1, x0)
			}
			s.update(h, i-1, x0)
		}
		if err := s.intervalBack(&g, a, i, h, x, before, sampler); err != nil {
			return g, err
		}
	}
}

// updateBack writes the cotangent of the state x before point i from a, that behind it, and adds those of the cell's
// parameters.
func (s *Series) updateBack(dx tensor.T, grads []tensor.T, a tensor.T, i int, x tensor.T) {
	be := s.Backend
	mark := be.Mark()
	defer be.Release(mark)
	h := be.Batch(x.N, x.Shape)
	s.Cell.Forward(h, s.Inputs[i], x)
	cell, state := s.masks(i)
	if cell == nil {
		s.Cell.VJP(nn.GRUCotangents{Dh: dx, Params: grads}, a)
		return
	}
	be.CombineEach(h, [][]float64{cell}, a)
	s.Cell.VJP(nn.GRUCotangents{Dh: dx, Params: grads}, h)
	be.CombineEach(dx, [][]float64{ones(x.N), state}, dx, a)
}

// intervalBack solves from point i, where the state is x1 and its cotangent a1, to point i-1, and leaves the cotangent there in a.
func (s *Series) intervalBack(g *SeriesGradient, a tensor.T, i int, x0, x1, a1 tensor.T, sampler func() Sampler) error {
	be := s.Backend
	mark := be.Mark()
	defer be.Release(mark)
	want := Want{}
	if sampler != nil {
		want.Samples = sampler()
	}
	part, err := Differentiate(s.interval(i, g.Stats.LastStep), x0, x1, a1, want)
	g.Stats.Evaluations += part.Stats.Evaluations
	g.Stats.LastStep = part.Stats.LastStep
	if err != nil {
		return err
	}
	be.Combine(a, []float64{1}, part.Dx0)
	for k, grad := range part.Params {
		be.Combine(g.Params[k], []float64{1, 1}, g.Params[k], grad)
	}
	return nil
}

func (s *Series) zeros(params []nn.Param) []tensor.T {
	var list []tensor.T
	for _, p := range params {
		z := s.Backend.Plain(p.Shape)
		s.Backend.Combine(z, nil)
		list = append(list, z)
	}
	return list
}
