package adjoint

import (
	"math"

	"odepipe/pkg/backend"
	"odepipe/pkg/nn"
	"odepipe/pkg/ode"
	"odepipe/pkg/tensor"
)

// Method says how a gradient is computed; see the package comment.
type Method string

// The methods; the first is the default.
const (
	Backsolve    Method = "backsolve"
	Interpolated Method = "interpolated"
	Checkpointed Method = "checkpointed"
)

// Methods lists all of them in display order.
var Methods = []Method{Backsolve, Interpolated, Checkpointed}

// Problem is one ODE block with the weights of one step, and how to solve it.
type Problem struct {
	Backend backend.Backend
	Field   *nn.Bound // F with room for n samples, and for what AllowSolve or, with AllowVJP, AllowDifferentiate says
	Params  []nn.Param
	Block   string  // for errors
	T0, T1  float64 // units of t; t1 may be smaller
	Span    *Span   // intervals of the samples' own; T0 and T1 have no meaning then
	Costs   Costs

	Forward ode.Options // of the solve from t0 to t1
	Method  Method
	Solver  ode.Options // of the backward solve
	// SemiNorm leaves the integrals Q_theta out of the error norm (Kidger et al. 2021, as torchdiffeq's "seminorm").
	SemiNorm bool
	// Memory bounds the states that Checkpointed keeps, by binomial checkpointing; 0 keeps one for each step.
	Memory int
	// Trace sees every attempted step of the solves; may be nil.
	Trace func(ode.Attempt)
}

// Span is an interval for each sample. The solve then runs over s from 0 to 1 for all of them, with
//
//	t_n = t0_n + s (t1_n - t0_n)      dx_n/ds = (t1_n - t0_n) F(t_n, x_n)
type Span struct{ T0, T1 []float64 }

// Costs are integrals along the path, from where the solve starts to where it ends. Each adds its weight times its sum over
// the samples to L:
//
//	Divergence   int sum_p e_p^T F_x e_p dt
//	Kinetic      int ||F||^2 |dt|
//	Jacobian     int sum_p ||F_x e_p||^2 |dt|
//
// With the unit vectors as probes e_p, of states that are vectors, the sums are the trace and the squared Frobenius norm of F_x; with one probe whose
// mean of e e^T is 1 they are so in the mean (Hutchinson). All are quadratures. The step sizes follow the divergence, of
// which the loss of a flow is made, but not the others.
type Costs struct {
	Divergence, Kinetic, Jacobian float64    // weights in L
	Probes                        []tensor.T // e_p, batches of x's shape; none leave the first and the last cost out
	Units                         bool       // the probes are the unit vectors instead, which are made as they are needed
	Group                         int        // most of these that Solve follows at once; 0: as many as fit 16 MB with their tangents
	Measure                       bool       // integrate the costs forwards, even if their weights are 0
}

// times scales the weights.
func (c Costs) times(factor float64) Costs {
	c.Divergence *= factor
	c.Kinetic *= factor
	c.Jacobian *= factor
	return c
}

// tangents says whether the loss depends on derivatives of F along the probes.
func (c Costs) tangents() bool { return c.Divergence != 0 || c.Jacobian != 0 }

// weightless says whether L has no costs.
func (c Costs) weightless() bool { return c.Kinetic == 0 && !c.tangents() }

// Gradient is what a backward solve yields. Tensors are in arena memory. Sums over the batch have one element, values by
// sample, where the problem has a Span, one for each.
type Gradient struct {
	Dx0     tensor.T   // dL/dx(t0), a batch
	X0      tensor.T   // x(t0) as the backward solve found it; the zero T for methods that do not solve for it
	Params  []tensor.T // dL/dtheta, in the order of Problem.Params
	DPhi    []float64  // <dL/dx(t1), F(t1, x(t1))>
	Dt0     []float64  // dL/dt0 = -(<a, F> + l) at t0
	Dt1     []float64  // dL/dt1 = <a, F> + l at t1 (the signs of torchdiffeq's)
	Vectors []tensor.T // q_i(t0), batches
	Rows    []tensor.T // p_i(t0), vector by vector, in each the parameters in order: batches of vectors
	Stats   ode.Stats
}

// common are the options of a backward solve whose samples have their steps in common.
func (p *Problem) common() ode.Options {
	o := p.Solver
	o.Control = ode.Controls[0]
	return o
}

// again is the problem of a forward solve that is done again for its steps: of the costs it needs those that they follow.
func (p *Problem) again() *Problem {
	forward := *p
	forward.Costs.Measure = p.Costs.Divergence != 0
	return &forward
}

// implicit says whether the stages of a method solve equations.
func implicit(method string) bool {
	scheme, err := ode.Method(method)
	return err == nil && scheme.Tableau != nil && scheme.Tableau.Gamma != 0
}

// interval is that of the solver's own time.
func (p *Problem) interval() (from, to float64) {
	if p.Span != nil {
		return 0, 1
	}
	return p.T0, p.T1
}

// clock turns the solver's time into F's.
type clock struct {
	span      *Span
	length    []float64   // t1 - t0 of each sample
	root      []float64   // sqrt |t1 - t0|
	size      []float64   // |t1 - t0|
	direction float64     // sign of t1 - t0, where all samples have one
	times     []float64   // scratch
	coef      [][]float64 // scratch: one row
}

func newClock(p *Problem, samples int) clock {
	c := clock{span: p.Span, direction: math.Copysign(1, p.T1-p.T0)}
	if p.Span == nil {
		return c
	}
	c.coef = make([][]float64, 1)
	for _, list := range []*[]float64{&c.times, &c.length, &c.root, &c.size} {
		*list = make([]float64, samples)
	}
	for n := range c.length {
		c.length[n] = p.Span.T1[n] - p.Span.T0[n]
		c.size[n] = math.Abs(c.length[n])
		c.root[n] = math.Sqrt(c.size[n])
	}
	return c
}

// at is F's time for the solver's time s.
func (c *clock) at(s []float64) []float64 {
	if c.span == nil {
		return s
	}
	for n := range c.times {
		c.times[n] = c.span.T0[n] + c.length[n]*s[min(n, len(s)-1)]
	}
	return c.times
}

// scale multiplies a batch by dt/ds.
func (c *clock) scale(be backend.Backend, x tensor.T) {
	if c.span != nil {
		c.coef[0] = c.length
		be.CombineEach(x, c.coef, x)
	}
}

// signOf is the sign of dt of a sample.
func (c *clock) signOf(n int) float64 {
	if c.span == nil {
		return c.direction
	}
	return math.Copysign(1, c.length[n])
}

// scaleSize multiplies a batch by |dt| where the solve integrates over dt, or by |dt/ds|.
func (c *clock) scaleSize(be backend.Backend, x tensor.T) {
	if c.span == nil {
		if c.direction < 0 {
			be.Combine(x, minusOne, x)
		}
		return
	}
	c.coef[0] = c.size
	be.CombineEach(x, c.coef, x)
}
