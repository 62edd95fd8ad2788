package adjoint

import (
	"fmt"
	"math"
	"slices"

	"odepipe/pkg/backend"
	"odepipe/pkg/nn"
	"odepipe/pkg/ode"
	"odepipe/pkg/tensor"
)

// checkpointed differentiates the steps that a forward solve took, their sizes held fixed: the exact gradient of what was
// computed. One step of a Runge-Kutta method with stages Y_i = y + h sum_j A_ij k_j, k_i = F(t_i, Y_i) and result
// y + h sum_i w_i k_i takes the cotangent of its result back to that of its start by, last stage first,
//
//	kappa_i = h (w_i lambda + sum_{j>i} A_ji nu_j)      nu_i = F_x^T kappa_i      dL/dtheta += F_theta^T kappa_i
//	lambda <- lambda + sum_i nu_i
//
// w is B or, for a last step that passed t1, the weights of the dense output there.
func checkpointed(p *Problem, x0, a1 tensor.T, w Want) (Gradient, error) {
	c, x1, err := newDiscrete(p, x0, a1)
	if err != nil {
		return Gradient{Stats: c.stats}, err
	}
	from, to := p.interval()
	g := Gradient{Params: c.grads}
	g.DPhi, g.Dt1 = c.hamiltonian(to, x1, a1)
	if err := c.reverse(0, len(c.steps), x0, p.Memory); err != nil {
		return Gradient{Stats: c.stats}, err
	}
	g.Dx0 = c.lambda
	_, g.Dt0 = c.hamiltonian(from, x0, c.lambda)
	for n := range g.Dt0 {
		g.Dt0[n] = -g.Dt0[n]
	}
	if w.Samples != nil || len(w.Vectors) > 0 {
		path, err := record(p, x0)
		if err != nil {
			return Gradient{Stats: c.stats}, err
		}
		extra, err := solveBack(p, path, tensor.T{}, a1, w)
		if err != nil {
			return Gradient{Stats: c.stats}, err
		}
		c.stats.Evaluations += path.evaluations + extra.Stats.Evaluations
		g.Vectors, g.Rows = extra.Vectors, extra.Rows
	}
	g.Stats = c.stats
	return g, p.Backend.Err()
}

// Differentiable says whether checkpointed knows the steps of a method: those of explicit Runge-Kutta methods that carry
// nothing from one step to the next.
func Differentiable(s ode.Scheme) bool {
	return s.Tableau != nil && s.Tableau.Gamma == 0 && (!s.Tableau.Carry || s.Tableau.FirstSameAsLast())
}

// withEnd is a tableau whose last stage is f(t + h, y1), as the dense output has it.
func withEnd(t *ode.Tableau) ode.Tableau {
	if t.FirstSameAsLast() {
		return *t
	}
	return ode.Tableau{C: append(slices.Clone(t.C), 1), A: append(slices.Clone(t.A), t.B), B: append(slices.Clone(t.B), 0)}
}

// discrete is a forward solve that was, and the cotangent on its way back through it.
type discrete struct {
	be      backend.Backend
	problem *Problem
	field   *augmented
	tableau ode.Tableau
	steps   []taken
	stats   ode.Stats

	lambda tensor.T
	grads  []tensor.T // sums so far
	parts  []tensor.T // of one stage
	y      tensor.T
	stage  []tensor.T // Y_i
	slope  []tensor.T // k_i, then nu_i
	kappa  tensor.T
	value  tensor.T
	terms  []tensor.T // scratch
	coef   []float64
	time   [1]float64
}

// taken is one accepted step.
type taken struct {
	start, end, h float64
	weights       []float64     // w
	state         tensor.Buffer // at the start, on the host; nothing if it is to be computed again
}

// newDiscrete solves forwards, keeps the steps, and returns x(t1).
func newDiscrete(p *Problem, x0, a1 tensor.T) (*discrete, tensor.T, error) {
	be := p.Backend
	c := &discrete{be: be, problem: p}
	scheme, err := ode.Method(p.Forward.Method)
	if err != nil {
		return c, tensor.T{}, err
	}
	if !Differentiable(scheme) {
		return c, tensor.T{}, fmt.Errorf("the steps of method %s cannot be differentiated: %w", scheme.Name, ode.ErrOptions)
	}
	c.tableau = withEnd(scheme.Tableau)
	batch := func() tensor.T { return be.Batch(x0.N, x0.Shape) }
	c.field = newAugmented(p, newLayout(true, 0, len(p.Params), false), a1, nil)
	c.lambda, c.y, c.kappa, c.value = batch(), batch(), batch(), batch()
	be.Combine(c.lambda, []float64{1}, a1)
	for range c.tableau.B {
		c.stage, c.slope = append(c.stage, batch()), append(c.slope, batch())
	}
	for _, param := range p.Params {
		c.grads, c.parts = append(c.grads, be.Plain(param.Shape)), append(c.parts, be.Plain(param.Shape))
		be.Combine(c.grads[len(c.grads)-1], nil)
	}
	start := ode.State{c.y}
	end, err := Solve(p.again(), x0, func(d *ode.Dense) {
		step := taken{start: d.Start(), end: d.End(), h: d.H(), weights: c.tableau.B}
		if !d.Whole() {
			step.weights = d.Weights(d.To)
		}
		if p.Memory == 0 {
			d.Power(start, 0)
			step.state = be.DType().Make(x0.Size())
			be.Download(step.state, c.y)
		}
		c.steps = append(c.steps, step)
	})
	c.stats = end.Stats
	return c, end.X, err
}

// reverse takes lambda back through the steps [lo, hi); y is the state at the start of step lo, and there is room for so
// many more states. Where states are not stored, it recomputes them from the nearest one that is, placed as binomial
// checkpointing wants (Griewank and Walther 2000, revolve): with room for s states, n <= (s+r choose s) steps take at
// most r recomputations each.
func (c *discrete) reverse(lo, hi int, y tensor.T, room int) error {
	switch {
	case hi-lo == 1:
		return c.back(c.steps[lo], y)
	case c.problem.Memory == 0:
		for i := hi - 1; i >= lo; i-- {
			c.be.Upload(c.y, c.steps[i].state)
			if err := c.back(c.steps[i], c.y); err != nil {
				return err
			}
		}
		return nil
	}
	middle := lo + split(hi-lo, room)
	mark := c.be.Mark()
	z := c.be.Batch(y.N, y.Shape)
	c.be.Combine(z, []float64{1}, y)
	for _, step := range c.steps[lo:middle] {
		c.advance(step, z)
	}
	err := c.reverse(middle, hi, z, room-1)
	c.be.Release(mark)
	if err != nil {
		return err
	}
	return c.reverse(lo, middle, y, room)
}

// split is the number of steps, of n, before the next state to keep where there is room for that many: the rest can be
// reversed with one state less and as many recomputations, these with one recomputation less. Where there is room for one
// state, that rest is one step.
func split(n, room int) int {
	repeats := 1
	for binomial(room+repeats, room) < n {
		repeats++
	}
	return max(1, min(n-1, binomial(room+repeats-1, room)))
}

// binomial is n choose k, or a large number.
func binomial(n, k int) int {
	value := 1
	for i := 1; i <= k; i++ {
		if value > math.MaxInt32 {
			return math.MaxInt32
		}
		value = value * (n - k + i) / i
	}
	return value
}

// advance takes y over a step.
func (c *discrete) advance(step taken, y tensor.T) {
	c.stages(step, y, used(c.tableau.B))
	c.combine(y, y, step.h, c.tableau.B, c.slope)
}

// used is the number of stages on which a result with these weights depends.
func used(weights []float64) int {
	n := len(weights)
	for n > 0 && weights[n-1] == 0 {
		n--
	}
	return n
}

// stages computes the first n stages of a step and their slopes.
func (c *discrete) stages(step taken, y tensor.T, n int) {
	for i, row := range c.tableau.A[:n] {
		c.combine(c.stage[i], y, step.h, row, c.slope)
		c.time[0] = c.at(step, i)
		c.field.field.Forward(c.slope[i], c.field.clock.at(c.time[:]), c.stage[i])
		c.field.clock.scale(c.be, c.slope[i])
		c.stats.Evaluations++
	}
}

// at is the time of a stage, as the solver has it.
func (c *discrete) at(step taken, i int) float64 {
	if c.tableau.C[i] == 1 {
		return step.end
	}
	return step.start + c.tableau.C[i]*step.h
}

// combine writes dst = y + h sum_i weights[i] k[i].
func (c *discrete) combine(dst, y tensor.T, h float64, weights []float64, k []tensor.T) {
	c.terms, c.coef = append(c.terms[:0], y), append(c.coef[:0], 1)
	for i, w := range weights {
		c.terms, c.coef = append(c.terms, k[i]), append(c.coef, h*w)
	}
	c.be.Combine(dst, c.coef, c.terms...)
}

// back takes lambda from the end of a step to its start, where the state is y.
func (c *discrete) back(step taken, y tensor.T) error {
	last := used(step.weights)
	c.stages(step, y, last)
	for i := last - 1; i >= 0; i-- {
		c.terms, c.coef = append(c.terms[:0], c.lambda), append(c.coef[:0], step.h*step.weights[i])
		for j := i + 1; j < last; j++ {
			c.terms, c.coef = append(c.terms, c.slope[j]), append(c.coef, -step.h*c.tableau.A[j][i])
		}
		c.be.Combine(c.kappa, c.coef, c.terms...)
		c.time[0] = c.at(step, i)
		c.field.field.Forward(c.value, c.field.clock.at(c.time[:]), c.stage[i])
		c.stats.Evaluations++
		c.field.costs = c.problem.Costs.times(step.h * step.weights[i])
		c.field.adjoint(nn.Cotangents{Dx: c.slope[i], Params: c.parts}, c.kappa, c.value, nil) // -nu_i, over k_i
		for n, part := range c.parts {
			c.be.Combine(c.grads[n], []float64{1, -1}, c.grads[n], part)
		}
	}
	for i := range last {
		c.be.Combine(c.lambda, []float64{1, -1}, c.lambda, c.slope[i])
	}
	return c.be.Err()
}

// hamiltonian is <a, F> and <a, F> + l at (s, x).
func (c *discrete) hamiltonian(s float64, x, a tensor.T) (af, h []float64) {
	c.time[0] = s
	c.field.costs = c.problem.Costs
	c.field.field.Forward(c.value, c.field.clock.at(c.time[:]), x)
	c.stats.Evaluations++
	c.field.begin(a, c.value)
	return c.field.dphi, c.field.dt1
}
