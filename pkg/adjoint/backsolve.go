package adjoint

import (
	"math"

	"odepipe/pkg/backend"
	"odepipe/pkg/nn"
	"odepipe/pkg/ode"
	"odepipe/pkg/tensor"
)

// Problem is the backward solve of one ODE block.
type Problem struct {
	Backend backend.Backend
	Field   *nn.Bound // F with room for n samples; AllowVJP has been called
	Params  []nn.Param
	Block   string  // for errors
	T0, T1  float64 // units of t; t1 may be smaller
	Solver  ode.Options
	// SemiNorm leaves the integrals Q_theta out of the error norm (Kidger et al. 2021, as torchdiffeq's "seminorm").
	SemiNorm bool
}

// Gradient is what a backward solve yields. Tensors are in arena memory.
type Gradient struct {
	Dx0    tensor.T   // dL/dx(t0), a batch
	Params []tensor.T // dL/dtheta, in the order of Problem.Params
	Dt1    float64    // <dL/dx(t1), F(t1, x(t1))>, summed over the batch: dL/dt1 (the sign of torchdiffeq's)
	Stats  ode.Stats
}

// parts of the state, in the order of torchdiffeq's norm
const (
	partX = iota
	partA
	partT // int a^T F_t dt
	partParams
)

// Backsolve integrates from (x1, a1) at t1 to t0; a1 = dL/dx(t1) where L is a sum over the samples. If samples is
// not nil the Kronecker factors are sampled on the way. Errors are those of ode.Solve.
func Backsolve(p Problem, x1, a1 tensor.T, samples *Grid) (Gradient, error) {
	be := p.Backend
	f := &augmented{be: be, field: p.Field, negative: be.Batch(a1.N, a1.Shape), dot: make([]float64, a1.N), dt1: math.NaN()}
	state := ode.State{x1, a1, be.Plain(tensor.Of(1))}
	for _, param := range p.Params {
		state = append(state, be.Plain(param.Shape))
	}
	for _, part := range state[partT:] {
		be.Combine(part, nil)
	}
	norm := ode.Norm(ode.Max)
	if p.SemiNorm {
		norm = ode.First(partParams)
	}
	var observe func(*ode.Dense)
	if samples != nil {
		samples.begin(p, x1, a1)
		observe = samples.observe
	}
	problem := ode.Problem{Field: f, Quadrature: len(state) - partT, Norm: norm, Block: p.Block}
	end, stats, err := ode.Solve(be, problem, state, p.T1, p.T0, p.Solver, observe)
	if err != nil {
		return Gradient{}, err
	}
	if samples != nil {
		stats.Evaluations += samples.Evaluations
	}
	return Gradient{Dx0: end[partA], Params: end[partParams:], Dt1: f.dt1, Stats: stats}, nil
}

// augmented is the field of the state (x, a, int a^T F_t, Q_theta).
type augmented struct {
	be       backend.Backend
	field    *nn.Bound
	negative tensor.T  // -a
	dot      []float64 // per sample
	dt1      float64   // NaN until the first evaluation, which is at (t1, x1)
	scalar   [1]float64
}

var _ ode.Field = (*augmented)(nil)

// Eval writes dst = (F, -F_x^T a, -F_t^T a, -F_theta^T a); the last two only if e.Quadrature is set.
func (f *augmented) Eval(dst ode.State, t []float64, y ode.State, e ode.Evaluation) {
	f.field.Forward(dst[partX], t, y[partX])
	if math.IsNaN(f.dt1) {
		f.be.Dot(f.dot, y[partA], dst[partX])
		f.dt1 = 0
		for _, d := range f.dot {
			f.dt1 += d
		}
	}
	f.be.Combine(f.negative, minusOne, y[partA:partA+1]...)
	want := nn.Cotangents{Dx: dst[partA]}
	if e.Quadrature {
		f.scalar[0] = 0
		want.Params, want.Dt = dst[partParams:], f.scalar[:]
	}
	f.field.VJP(want, f.negative)
	if e.Quadrature {
		f.be.Upload(dst[partT], tensor.Buffer{F64: f.scalar[:]})
	}
}

var minusOne = []float64{-1}
