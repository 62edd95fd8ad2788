package adjoint

import (
	"fmt"

	"odepipe/pkg/ode"
	"odepipe/pkg/tensor"
)

// Want is what a backward solve is to yield beside the gradient.
type Want struct {
	Vectors []tensor.T // q_i(t1), batches of x's shape
	Rows    bool       // the p_i of the vectors
	Samples Sampler    // of Kronecker factors; nil: none
}

// Differentiate integrates from t1 to t0, by the problem's method. x0 and x1 are the ends of the forward solve, a1 =
// dL/dx(t1) where L is a sum over the samples. A backsolve does not look at x0, the others not at x1. Errors are those
// of ode.Solve.
func Differentiate(p *Problem, x0, x1, a1 tensor.T, w Want) (Gradient, error) {
	if p.Method != Backsolve && p.Method != "" && (p.Forward.Control == ode.BySample || p.Solver.Control == ode.BySample) {
		return Gradient{}, fmt.Errorf("block %s: method %s needs steps that all samples have in common: %w", p.Block, p.Method, ode.ErrOptions)
	}
	switch p.Method {
	case Interpolated:
		path, err := record(p, x0)
		if err != nil {
			return Gradient{}, err
		}
		g, err := solveBack(p, path, tensor.T{}, a1, w)
		g.Stats.Evaluations += path.evaluations
		return g, err
	case Checkpointed:
		return checkpointed(p, x0, a1, w)
	}
	return solveBack(p, nil, x1, a1, w)
}

// solveBack integrates the augmented field, with x as part of its state if path is nil.
func solveBack(p *Problem, path *path, x1, a1 tensor.T, w Want) (Gradient, error) {
	be := p.Backend
	l := newLayout(path == nil, len(w.Vectors), len(p.Params), w.Rows)
	f := newAugmented(p, l, a1, path)
	state := f.start(p, x1, a1, w.Vectors)
	var field ode.Field = f
	if p.Costs.weightless() {
		field = linear{f}
	}
	problem := ode.Problem{Field: field, Quadrature: l.end - l.t, Block: p.Block, Trace: p.Trace}
	if p.SemiNorm {
		problem.Norm = ode.First(l.t)
	}
	var observe func(*ode.Dense)
	apart := p.Solver.Control == ode.BySample // steps of each sample's own cannot be observed
	if w.Samples != nil && !apart {
		w.Samples.begin(p, f)
		observe = w.Samples.observe
	}
	from, to := p.interval()
	end, stats, err := ode.Solve(be, problem, state, to, from, p.Solver, observe)
	if err != nil {
		return Gradient{Stats: stats}, err
	}
	switch {
	case w.Samples != nil && apart:
		common := *p
		common.Params, common.Solver = nil, p.common()
		g, err := solveBack(&common, path, x1, a1, Want{Vectors: w.Vectors, Samples: w.Samples})
		if err != nil {
			return g, err
		}
		stats.Evaluations += g.Stats.Evaluations
	case w.Samples != nil:
		stats.Evaluations += w.Samples.evaluations()
	}
	g := Gradient{Dx0: end[l.a], Params: end[l.params:l.row], Vectors: end[l.q:l.t], Rows: end[l.row:], DPhi: f.dphi, Dt1: f.dt1, Stats: stats}
	if path == nil {
		g.X0 = end[l.x]
	}
	g.Dt0 = make([]float64, len(g.Dt1)) // -H(t0) = -H(t1) + int_t0^t1 H_t dt
	be.Download(tensor.Buffer{F64: g.Dt0}, end[l.t])
	for n, h := range g.Dt1 {
		g.Dt0[n] -= h
	}
	return g, nil
}

// start is the state at t1: the integrals are zero.
func (f *augmented) start(p *Problem, x1, a1 tensor.T, vectors []tensor.T) ode.State {
	var state ode.State
	if f.layout.x >= 0 {
		state = append(state, x1)
	}
	state = append(append(state, a1), vectors...)
	if p.Span == nil {
		state = append(state, f.be.Plain(tensor.Of(1)))
	} else {
		state = append(state, f.be.Batch(a1.N, tensor.Of()))
	}
	for _, param := range p.Params {
		state = append(state, f.be.Plain(param.Shape))
	}
	for i := f.layout.row; i < f.layout.end; i++ {
		size := p.Params[(i-f.layout.row)%len(p.Params)].Shape.Size()
		state = append(state, f.be.Batch(a1.N, tensor.Of(size)))
	}
	for _, integral := range state[f.layout.t:] {
		f.be.Combine(integral, nil)
	}
	return state
}
