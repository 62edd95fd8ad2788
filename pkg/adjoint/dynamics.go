package adjoint

import (
	"odepipe/pkg/backend"
	"odepipe/pkg/nn"
	"odepipe/pkg/ode"
	"odepipe/pkg/tensor"
)

// End is what a forward solve yields, in arena memory.
type End struct {
	X tensor.T // x where the solve ends
	Integrals
	Stats ode.Stats
}

// Integrals are the costs of each sample without their weights; nil where there is none.
type Integrals struct{ Divergence, Kinetic, Jacobian []float64 }

// Solve integrates the block from x0, and the costs where they are to be measured: without probes the kinetic one alone.
// observe may be nil. Errors are those of ode.Solve.
func Solve(p *Problem, x0 tensor.T, observe func(*ode.Dense)) (End, error) {
	f := newDynamics(p, x0)
	state := ode.State{x0}
	for range f.costs {
		integral := p.Backend.Batch(x0.N, tensor.Of())
		p.Backend.Combine(integral, nil)
		state = append(state, integral)
	}
	followed := 1
	if f.costs > 1 && p.Costs.Divergence != 0 {
		followed = 2
	}
	problem := ode.Problem{Field: f, Quadrature: f.costs, Norm: ode.First(followed), Block: p.Block, Trace: p.Trace}
	from, to := p.interval()
	end, stats, err := ode.Solve(p.Backend, problem, state, from, to, p.Forward, observe)
	if err != nil {
		return End{Stats: stats}, err
	}
	result := End{X: end[0], Stats: stats}
	list := []*[]float64{&result.Divergence, &result.Jacobian, &result.Kinetic}
	for i, integral := range list[len(list)-f.costs:] {
		*integral = make([]float64, x0.N)
		p.Backend.Download(tensor.Buffer{F64: *integral}, end[1+i])
	}
	return result, nil
}

// dynamics is the field of the state (x, int sum_p e_p^T F_x e_p, int sum_p ||F_x e_p||^2, int ||F||^2): of the integrals
// all, the last, or none.
type dynamics struct {
	be           backend.Backend
	field        *nn.Bound
	clock        clock
	costs        int // 0, 1 or 3 of them
	probes       *probes
	sum, squares []float64
}

var _ ode.Field = (*dynamics)(nil)

func newDynamics(p *Problem, x tensor.T) *dynamics {
	f := &dynamics{be: p.Backend, field: p.Field, clock: newClock(p, x.N)}
	if !p.Costs.Measure {
		return f
	}
	f.costs, f.sum = 1, make([]float64, x.N)
	if group := p.group(x.N, x.Shape); group > 0 {
		f.costs, f.squares, f.probes = 3, make([]float64, x.N), newProbes(p, x, group)
	}
	return f
}

// Eval writes F and the integrands.
func (f *dynamics) Eval(dst ode.State, t []float64, y ode.State, e ode.Evaluation) {
	f.field.Forward(dst[0], f.clock.at(t), y[0])
	if e.Quadrature && f.costs > 0 {
		clear(f.sum)
		f.be.Dot(f.sum, dst[0], dst[0])
		f.be.Upload(dst[f.costs], tensor.Buffer{F64: f.sum})
		if f.costs > 1 {
			f.along(dst[1], dst[2])
		}
	}
	f.clock.scale(f.be, dst[0])
	switch {
	case !e.Quadrature:
	case f.costs == 1:
		f.clock.scaleSize(f.be, dst[1])
	case f.costs == 3:
		f.clock.scale(f.be, dst[1])
		f.clock.scaleSize(f.be, dst[2])
		f.clock.scaleSize(f.be, dst[3])
	}
}

// JVP writes the Jacobian of F at the last Eval times v, for implicit methods.
func (f *dynamics) JVP(dst, v ode.State) {
	f.field.JVP(dst[0], nn.Direction{Dx: v[0]})
	f.clock.scale(f.be, dst[0])
}

// along writes sum_p <e_p, F_x e_p> and sum_p ||F_x e_p||^2 of every sample.
func (f *dynamics) along(divergence, jacobian tensor.T) {
	clear(f.sum)
	clear(f.squares)
	for first := 0; first < f.probes.count; {
		along, tangents := f.probes.group(first)
		f.field.JVPs(tangents, along)
		for p, tangent := range tangents {
			f.be.Dot(f.sum, along[p].Dx, tangent)
			f.be.Dot(f.squares, tangent, tangent)
		}
		first += len(along)
	}
	f.be.Upload(divergence, tensor.Buffer{F64: f.sum})
	f.be.Upload(jacobian, tensor.Buffer{F64: f.squares})
}
