package adjoint

import (
	"odepipe/pkg/backend"
	"odepipe/pkg/ode"
	"odepipe/pkg/tensor"
)

// path is x(t) of a forward solve: the dense output of every step, a polynomial, on the host. It takes as many states as
// the polynomials have coefficients for each step.
type path struct {
	be          backend.Backend
	steps       []piece
	evaluations int

	current int        // index of the piece whose terms are on the backend, or -1
	terms   []tensor.T // [power]
	coef    []float64
}

// piece is x over one step: sum_k terms[k] theta^k, theta = (t - start) / (end - start).
type piece struct {
	start, end float64
	terms      []tensor.Buffer
}

// record solves forwards and keeps the dense output.
func record(p *Problem, x0 tensor.T) (*path, error) {
	r := &path{be: p.Backend, current: -1}
	scratch := ode.State{r.be.Batch(x0.N, x0.Shape)}
	end, err := Solve(p.again(), x0, func(d *ode.Dense) {
		step := piece{start: d.Start(), end: d.End()}
		for k := range d.Degree() + 1 {
			d.Power(scratch, k)
			step.terms = append(step.terms, r.be.DType().Make(x0.Size()))
			r.be.Download(step.terms[k], scratch[0])
		}
		r.steps = append(r.steps, step)
	})
	r.evaluations = end.Stats.Evaluations
	if err != nil {
		return r, err
	}
	for range len(r.steps[0].terms) {
		r.terms = append(r.terms, r.be.Batch(x0.N, x0.Shape))
	}
	r.coef = make([]float64, len(r.terms))
	return r, nil
}

// at writes x(t).
func (r *path) at(x tensor.T, t float64) {
	r.find(t)
	step := r.steps[r.current]
	theta, power := (t-step.start)/(step.end-step.start), 1.0
	for k := range r.coef {
		r.coef[k] = power
		power *= theta
	}
	r.be.Combine(x, r.coef, r.terms...)
}

// find makes the piece around t the current one: that before the ends if t is beyond them.
func (r *path) find(t float64) {
	i := max(r.current, 0)
	forwards := r.steps[0].end > r.steps[0].start
	for i > 0 && (t < r.steps[i].start) == forwards && t != r.steps[i].start {
		i--
	}
	for i < len(r.steps)-1 && (t > r.steps[i].end) == forwards && t != r.steps[i].end {
		i++
	}
	if i == r.current {
		return
	}
	r.current = i
	for k, host := range r.steps[i].terms {
		r.be.Upload(r.terms[k], host)
	}
}
