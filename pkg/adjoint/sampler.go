package adjoint

import (
	"math"

	"odepipe/pkg/nn"
	"odepipe/pkg/ode"
	"odepipe/pkg/tensor"
)

// Sampler adds the Kronecker factors of F's layers along a backward solve to Factors,
//
//	A += int E_b[z z^T] dt     B += int E_b[sum_i g_i g_i^T] dt,   g_i = (dF/dh)^T q_i      (13)
//
// Where a problem has no vectors of its own, q = N a / sqrt(|t1 - t0|) stands in for them: a, of N samples, carries the 1/N
// of the mean loss. Where samples have intervals of their own, A is the mean length of these times the mean of E_b[z z^T].
type Sampler interface {
	begin(p *Problem, f *augmented)
	observe(*ode.Dense)
	evaluations() int // of F, beyond those of the solve
}

var (
	_ Sampler = (*Grid)(nil)
	_ Sampler = (*Stages)(nil)
)

// samples is what samplers share: one point of the solve turned into contributions to the factors.
type samples struct {
	field  *augmented
	length float64 // of the solver's interval
	dt     float64 // mean of dt/ds
	state  ode.State
	time   [1]float64
	count  int
}

func newSamples(p *Problem, f *augmented) samples {
	from, to := p.interval()
	s := samples{field: f, length: math.Abs(to - from), dt: 1}
	if f.clock.span != nil {
		s.dt = 0
		for _, length := range f.clock.length {
			s.dt += math.Abs(length) / float64(len(f.clock.length))
		}
	}
	for range f.layout.t {
		s.state = append(s.state, f.be.Batch(f.cotangent.N, f.cotangent.Shape))
	}
	return s
}

// tap samples a itself at a point that stands for ds of the solve.
func (s *samples) tap(into *Factors, ds float64) nn.Tap {
	n := float64(s.field.cotangent.N)
	weightB := ds * n * n
	if s.field.clock.span == nil {
		weightB /= s.length
	}
	return into.Tap(ds*s.dt, weightB)
}

// add samples the point of the field's last evaluation, where the vectors, or a in their place, are q.
func (s *samples) add(into *Factors, ds float64, q []tensor.T) {
	f := s.field
	if !f.ownVectors() {
		f.tap(s.tap(into, ds), q[0])
		return
	}
	weightA := ds * s.dt
	for _, v := range q {
		if f.clock.span != nil { // int g g^T dt = int (dt/ds) g g^T ds
			f.weights[0] = f.clock.root
			f.be.CombineEach(f.cotangent, f.weights, v)
			v = f.cotangent
		}
		f.field.VJP(nn.Cotangents{Tap: into.Tap(weightA, ds)}, v)
		weightA = 0 // z is the same for all vectors
	}
}

// addAt samples the dense output at the solver's time t, which costs an evaluation.
func (s *samples) addAt(into *Factors, step *ode.Dense, t, ds float64) {
	f := s.field
	step.At(s.state, t)
	x := f.x
	if f.layout.x >= 0 {
		x = s.state[f.layout.x]
	} else {
		f.path.at(x, t)
	}
	s.time[0] = t
	f.field.Inputs(f.clock.at(s.time[:]), x)
	s.count++
	s.add(into, ds, f.vectors(s.state))
}

func (s *samples) evaluations() int { return s.count }
