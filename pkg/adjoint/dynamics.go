package adjoint

import (
	"odepipe/pkg/backend"
	"odepipe/pkg/nn"
	"odepipe/pkg/ode"
	"odepipe/pkg/tensor"
)

// End is what a forward solve yields, in arena memory.
type End struct {
	X                 tensor.T // x(t1)
	Kinetic, Jacobian []float64
	Stats             ode.Stats
}

// Solve integrates the block from x0 at t0 to t1, and the costs where they are asked for: Kinetic and Jacobian are those
// of each sample, nil where there is none. observe may be nil. Errors are those of ode.Solve.
func Solve(p *Problem, x0 tensor.T, observe func(*ode.Dense)) (End, error) {
	f := newDynamics(p, x0)
	state := ode.State{x0}
	for range f.costs {
		integral := p.Backend.Batch(x0.N, tensor.Of())
		p.Backend.Combine(integral, nil)
		state = append(state, integral)
	}
	problem := ode.Problem{Field: f, Quadrature: f.costs, Norm: ode.First(1), Block: p.Block, Trace: p.Trace}
	from, to := p.interval()
	end, stats, err := ode.Solve(p.Backend, problem, state, from, to, p.Forward, observe)
	if err != nil {
		return End{Stats: stats}, err
	}
	result := End{X: end[0], Stats: stats}
	for i, integral := range []*[]float64{&result.Kinetic, &result.Jacobian}[:f.costs] {
		*integral = make([]float64, x0.N)
		p.Backend.Download(tensor.Buffer{F64: *integral}, end[1+i])
	}
	return result, nil
}

// dynamics is the field of the state (x, int ||F||^2, int ||F_x e||^2), the last two as far as there are costs.
type dynamics struct {
	be      backend.Backend
	field   *nn.Bound
	clock   clock
	costs   int      // 0, 1 or 2 of them
	probe   tensor.T // e
	tangent tensor.T // F_x e
	sum     []float64
}

var _ ode.Field = (*dynamics)(nil)

func newDynamics(p *Problem, x tensor.T) *dynamics {
	f := &dynamics{be: p.Backend, field: p.Field, clock: newClock(p, x.N)}
	if !p.Costs.Measure {
		return f
	}
	f.costs, f.sum = 1, make([]float64, x.N)
	if p.Costs.jacobian() {
		f.costs, f.probe, f.tangent = 2, p.Costs.Probe, p.Backend.Batch(x.N, x.Shape)
	}
	return f
}

// Eval writes dst = (F, ||F||^2, ||F_x e||^2).
func (f *dynamics) Eval(dst ode.State, t []float64, y ode.State, e ode.Evaluation) {
	f.field.Forward(dst[0], f.clock.at(t), y[0])
	if e.Quadrature && f.costs > 0 {
		f.square(dst[1], dst[0])
		if f.costs > 1 {
			f.field.JVP(f.tangent, nn.Direction{Dx: f.probe})
			f.square(dst[2], f.tangent)
		}
	}
	for _, part := range dst[:1+f.costs] {
		f.clock.scale(f.be, part)
	}
}

// JVP writes the Jacobian of F at the last Eval times v, for implicit methods.
func (f *dynamics) JVP(dst, v ode.State) {
	f.field.JVP(dst[0], nn.Direction{Dx: v[0]})
	f.clock.scale(f.be, dst[0])
}

// square writes the squared norm of every sample.
func (f *dynamics) square(dst, x tensor.T) {
	clear(f.sum)
	f.be.Dot(f.sum, x, x)
	f.be.Upload(dst, tensor.Buffer{F64: f.sum})
}
