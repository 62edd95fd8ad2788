package adjoint

import (
	"odepipe/pkg/backend"
	"odepipe/pkg/nn"
	"odepipe/pkg/tensor"
)

// groupBytes bounds the memory of the probes that a forward solve follows at once, with their tangents in all layers.
const groupBytes = 16 << 20

// probes gives out the vectors e_p as directions, a group at a time, with room for F_x e_p.
type probes struct {
	count    int            // of all groups
	along    []nn.Direction // of the group in hand
	tangents []tensor.T     // F_x e_p

	be    backend.Backend
	wide  tensor.T // [2d - 1], a one in the middle: e_k is the d numbers from d-1-k on. The zero T if the vectors are given
	first int      // of the group in hand, -1 before it is made
}

// newProbes makes room for groups of so many.
func newProbes(p *Problem, x tensor.T, group int) *probes {
	s := &probes{be: p.Backend, count: p.Costs.probes(x.Shape), first: -1}
	for i := range group {
		e := tensor.T{}
		if p.Costs.Units {
			e = s.be.Batch(x.N, x.Shape)
		} else {
			e = p.Costs.Probes[i]
		}
		s.along, s.tangents = append(s.along, nn.Direction{Dx: e}), append(s.tangents, s.be.Batch(x.N, x.Shape))
	}
	if p.Costs.Units {
		d := x.Shape.Size()
		host := make([]float64, 2*d-1)
		host[d-1] = 1
		one := s.be.Plain(tensor.Of(2*d - 1))
		s.be.Upload(one, tensor.Buffer{F64: host})
		s.wide = s.be.Batch(x.N, tensor.Of(2*d-1))
		s.be.Combine(s.wide, nil)
		s.be.AddImages(s.wide, []float64{1}, one)
	}
	s.group(0)
	return s
}

// group gives the directions from the first on, as many as there is room for, and the room for their tangents.
func (s *probes) group(first int) (along []nn.Direction, tangents []tensor.T) {
	n := min(len(s.along), s.count-first)
	along, tangents = s.along[:n], s.tangents[:n]
	if first == s.first || s.wide.N == 0 {
		return along, tangents
	}
	s.first = first
	for i, e := range along {
		s.be.Part(e.Dx, s.wide, s.wide.Shape.Size()/2-(first+i))
	}
	return along, tangents
}

// probes is the number of vectors e_p for states of a shape.
func (c Costs) probes(shape tensor.Shape) int {
	if c.Units {
		return shape.Size()
	}
	return len(c.Probes)
}

// group is the number of probes that a forward solve of so many samples follows at once.
func (p *Problem) group(samples int, shape tensor.Shape) int {
	count := p.Costs.probes(shape)
	if !p.Costs.Units || count == 0 {
		return count
	}
	if p.Costs.Group > 0 {
		return min(count, p.Costs.Group)
	}
	const bytes = 4
	one := bytes * samples * (p.Field.TangentElements() + 2*shape.Size())
	return min(count, max(1, groupBytes/one))
}

// AllowSolve makes the room in Field that Solve needs for states of a shape; call it once after Field is bound.
func (p *Problem) AllowSolve(samples int, shape tensor.Shape) {
	n := p.group(samples, shape)
	if implicit(p.Forward.Method) {
		n = max(n, 1)
	}
	p.Field.AllowJVPs(n)
}

// AllowDifferentiate makes the room that Solve and Differentiate need for at least so many tangents, beside AllowVJP.
func (p *Problem) AllowDifferentiate(shape tensor.Shape, tangents int) {
	n := max(tangents, p.Costs.probes(shape))
	if implicit(p.Forward.Method) || implicit(p.Solver.Method) {
		n = max(n, 1)
	}
	p.Field.AllowProbes(n)
}
