package adjoint

import (
	"math"

	"odepipe/pkg/nn"
	"odepipe/pkg/ode"
)

// Stages samples at the evaluations that the solve makes anyway. Of a step of size h with slopes at (t_i, Y_i) it takes
//
//	h sum_i w_i G(t_i, Y_i)      w = Tableau.Q, none of them negative, so that factors stay positive semi-definite
//
// where G is E_b[z z^T] or E_b[g g^T]. A last step that passes t0 has its part up to there sampled at three Gauss points
// of the dense output instead, and so have all steps of methods without such weights.
type Stages struct {
	Into   *Factors
	Layers []*nn.Affine // of F

	samples
	weights    []float64
	inner      *Factors // of the step in hand: the weighted sum of G, but for its ends if start is not nil
	start, end *Factors // G at the ends, where that at the start counts: the end is the next step's start
}

func (s *Stages) begin(p *Problem, f *augmented) {
	s.samples = newSamples(p, f)
	f.stages = s
	if scheme, err := ode.Method(p.Solver.Method); err == nil && scheme.Tableau != nil {
		s.weights = scheme.Tableau.Q
	}
	if s.weights != nil {
		s.inner = NewFactors(f.be, s.Layers)
		if s.weights[0] != 0 {
			s.start, s.end = NewFactors(f.be, s.Layers), NewFactors(f.be, s.Layers)
		}
	}
}

// target is where a stage's contribution goes, with its weight; nil if it is of no use.
func (s *Stages) target(stage int) (*Factors, float64) {
	if s == nil || s.weights == nil || stage < 0 {
		return nil, 0
	}
	if stage == 1 { // another attempt
		s.inner.clear()
		if s.end != nil {
			s.end.clear()
		}
	}
	switch last := len(s.weights) - 1; {
	case s.start != nil && stage == 0:
		s.start.clear()
		return s.start, 1
	case s.start != nil && stage == last:
		return s.end, 1
	case s.weights[stage] != 0:
		return s.inner, s.weights[stage]
	}
	return nil, 0
}

// gauss are the nodes and weights of the three-point Gauss rule on [0, 1], exact to degree 5.
var gauss = [3][2]float64{{0.5 - 0.3872983346207417, 5. / 18}, {0.5, 8. / 18}, {0.5 + 0.3872983346207417, 5. / 18}}

// observe adds an accepted step.
func (s *Stages) observe(step *ode.Dense) {
	h := math.Abs(step.To - step.From)
	if s.weights == nil || !step.Whole() {
		for _, point := range gauss {
			s.addAt(s.Into, step, step.From+point[0]*(step.To-step.From), point[1]*h)
		}
		return
	}
	s.Into.add(h, s.inner)
	if s.start != nil {
		s.Into.add(h*s.weights[0], s.start)
		s.Into.add(h*s.weights[len(s.weights)-1], s.end)
		s.start, s.end = s.end, s.start
	}
}
