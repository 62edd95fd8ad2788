package pipeline

import (
	"fmt"
	"math/rand/v2"

	"odepipe/pkg/adjoint"
	"odepipe/pkg/nn"
	"odepipe/pkg/tensor"
)

// derivative is the derivative of a gradient along a direction: a Hessian-vector product.
type derivative struct {
	params []tensor.T // of dL/dtheta, in the order of Network.Params
	output tensor.T   // of dL/d(output of the first segment that moved)
}

// along differentiates the gradient of the mean loss along a direction: thetadot of the parameters of the segments from
// first on (nil: 0), and xdot of the input of segment first (the zero T: 0). It is reverse over forward for plain layers
// and the recursive adjoint for ODE blocks; the ordinary backward pass has been done. The result has zeros for parameters
// of earlier segments.
func (p *pass) along(first int, xdot tensor.T, thetadot []tensor.T) (derivative, error) {
	segments := p.net.Segments
	tangents := make([]adjoint.Tangent, len(segments))
	moved := xdot
	for i := first; i < len(segments); i++ {
		s := segments[i]
		own := part(thetadot, s.Params)
		if p.problems[i] == nil {
			y := p.be.Batch(p.blocks.rows, s.Chain.Out)
			p.bound[i].JVP(y, nn.Direction{Dx: moved, Params: own})
			moved = y
			continue
		}
		if moved.N == 0 {
			moved = p.zeros(s.Chain.In)
		}
		var err error
		a0 := p.adjointAtStart(i)
		if tangents[i], err = adjoint.Recurse(p.problems[i], p.start[i], a0, moved, own); err != nil {
			return derivative{}, err
		}
		p.evaluations += tangents[i].Stats.Evaluations
		moved = tangents[i].X1
	}
	d := derivative{params: make([]tensor.T, len(p.net.Params))}
	change := p.lossCurvature(moved)
	for i := len(segments) - 1; i >= first; i-- {
		s := segments[i]
		grads := make([]tensor.T, s.Params[1]-s.Params[0])
		for k := range grads {
			grads[k] = p.be.Plain(p.net.Params[s.Params[0]+k].Shape)
		}
		copy(d.params[s.Params[0]:], grads)
		if p.problems[i] == nil {
			want := nn.Cotangents{Params: grads}
			if i > 0 {
				want.Dx = p.be.Batch(p.blocks.rows, s.Chain.In)
			}
			p.bound[i].PairVJP(want, tensor.T{}, change, p.cotangent[i])
			change = want.Dx
			continue
		}
		p.be.Combine(change, []float64{1, 1}, change, tangents[i].Extra)
		g, err := adjoint.Differentiate(p.problems[i], p.inputOf(i), p.output[i], change, adjoint.Want{})
		p.evaluations += g.Stats.Evaluations
		if err != nil {
			return d, err
		}
		for k := range grads {
			p.be.Combine(grads[k], []float64{1, 1}, g.Params[k], tangents[i].Params[k])
		}
		change = g.Dx0
	}
	d.output = change
	return d, nil
}

// adjointAtStart is a(t0) of an ODE segment: the cotangent of the segment before, or of the model's input.
func (p *pass) adjointAtStart(segment int) tensor.T {
	if segment == 0 {
		return p.inputCotangent
	}
	return p.cotangent[segment-1]
}

func part(list []tensor.T, params [2]int) []tensor.T {
	if list == nil {
		return nil
	}
	return list[params[0]:params[1]]
}

func (p *pass) zeros(shape tensor.Shape) tensor.T {
	z := p.be.Batch(p.blocks.rows, shape)
	p.be.Combine(z, nil)
	return z
}

// lossCurvature is the Hessian of the mean loss with respect to the model's output, times zdot.
func (p *pass) lossCurvature(zdot tensor.T) tensor.T {
	pred, width := p.predictions()
	rows := p.blocks.rows
	along, out := make([]float64, rows*width), make([]float64, rows*width)
	p.be.Download(tensor.Buffer{F64: along}, zdot)
	factor := make([][]float64, p.net.Loss.Rank(width))
	for i := range factor {
		factor[i] = make([]float64, width)
	}
	for n := range rows {
		lo, hi := n*width, (n+1)*width
		p.net.Loss.HessianVector(out[lo:hi], factor, pred[lo:hi], along[lo:hi])
	}
	for i := range out {
		out[i] /= float64(rows)
	}
	result := p.be.Batch(rows, p.net.Output)
	p.be.Upload(result, tensor.Buffer{F64: out})
	return result
}

// maxDense bounds the side of dense second derivatives.
const maxDense = 1 << 12

// denseHessian is the Hessian of the mean loss with respect to the parameters of one ODE block, a column for each.
func (p *pass) denseHessian(segment int) ([]float64, int, error) {
	s := p.net.Segments[segment]
	side := 0
	for _, param := range s.Chain.Params() {
		side += param.Shape.Size()
	}
	if side > maxDense {
		return nil, 0, fmt.Errorf("block %s has %d parameters, more than the %d of a dense Hessian; take --vectors=N: %w", s.ODE.Name, side, maxDense, adjoint.ErrTooLarge)
	}
	hessian := make([]float64, side*side)
	direction := p.directions(func(k, i int) float64 { return 0 })
	column := 0
	for k := s.Params[0]; k < s.Params[1]; k++ {
		unit := make([]float64, p.net.Params[k].Shape.Size())
		for i := range unit {
			clear(unit)
			unit[i] = 1
			p.be.Upload(direction[k], tensor.Buffer{F64: unit})
			if err := p.hessianColumn(hessian, column, side, segment, direction); err != nil {
				return nil, 0, err
			}
			column++
		}
		p.be.Combine(direction[k], nil)
	}
	return hessian, side, nil
}

func (p *pass) hessianColumn(hessian []float64, column, side, segment int, direction []tensor.T) error {
	mark := p.be.Mark()
	defer p.be.Release(mark)
	d, err := p.along(segment, tensor.T{}, direction)
	if err != nil {
		return err
	}
	row := 0
	for _, grad := range part(d.params, p.net.Segments[segment].Params) {
		host := make([]float64, grad.Size())
		p.be.Download(tensor.Buffer{F64: host}, grad)
		for _, v := range host {
			hessian[row*side+column] = v
			row++
		}
	}
	return nil
}

// directions makes a direction of all parameters of numbers by parameter and element.
func (p *pass) directions(value func(k, i int) float64) []tensor.T {
	var list []tensor.T
	for k, param := range p.net.Params {
		host := make([]float64, param.Shape.Size())
		for i := range host {
			host[i] = value(k, i)
		}
		v := p.be.Plain(param.Shape)
		p.be.Upload(v, tensor.Buffer{F64: host})
		list = append(list, v)
	}
	return list
}

// diagonal estimates the diagonal of the Hessian of the mean loss with respect to all parameters from products with
// Rademacher vectors, D = mean of v * H v (Bekas, Kokiopoulou, Saad 2007); vectors are a function of the step alone.
func (p *pass) diagonal(vectors int) ([][]float64, error) {
	rng := rand.New(rand.NewPCG(uint64(p.step), 1))
	sums := make([][]float64, len(p.net.Params))
	for k, param := range p.net.Params {
		sums[k] = make([]float64, param.Shape.Size())
	}
	for range vectors {
		if err := p.addProduct(sums, rng, vectors); err != nil {
			return nil, err
		}
	}
	return sums, nil
}

func (p *pass) addProduct(sums [][]float64, rng *rand.Rand, vectors int) error {
	mark := p.be.Mark()
	defer p.be.Release(mark)
	signs := make([][]float64, len(sums))
	for k := range sums {
		signs[k] = make([]float64, len(sums[k]))
		for i := range signs[k] {
			signs[k][i] = float64(rng.IntN(2)*2 - 1)
		}
	}
	d, err := p.along(0, tensor.T{}, p.directions(func(k, i int) float64 { return signs[k][i] }))
	if err != nil {
		return err
	}
	for k, grad := range d.params {
		host := make([]float64, grad.Size())
		p.be.Download(tensor.Buffer{F64: host}, grad)
		for i, v := range host {
			sums[k][i] += signs[k][i] * v / float64(vectors)
		}
	}
	return nil
}

// theorem1 is Q_uu(t0) of the mean loss for an ODE block, whose backward solve has not been done yet: full with all
// second derivatives, else linearised.
func (p *pass) theorem1(segment int, full bool) (tensor.T, error) {
	rows, x1 := p.blocks.rows, p.output[segment]
	m := x1.Shape.Size()
	curvature, err := p.terminalCurvature(segment, m, full)
	if err != nil {
		return tensor.T{}, err
	}
	xx := p.be.Batch(rows, tensor.Of(m*m))
	p.be.Upload(xx, tensor.Buffer{F64: curvature})
	a1 := p.be.Batch(rows, x1.Shape)
	p.be.Combine(a1, []float64{float64(rows)}, p.cotangent[segment]) // of each sample's own loss
	uu, stats, err := adjoint.Theorem1(p.problems[segment], x1, a1, xx, full)
	p.evaluations += stats.Evaluations
	if err == nil {
		p.be.Combine(uu, []float64{1 / float64(rows)}, uu)
	}
	return uu, err
}

// terminalCurvature is Phi_xx of every sample [rows, m, m] at the end of a block: exactly, or by its Gauss-Newton part,
// the exact factor of the loss's Hessian pulled back to here.
func (p *pass) terminalCurvature(segment, m int, full bool) ([]float64, error) {
	rows := p.blocks.rows
	if size := float64(rows) * float64(m) * float64(m); size > adjoint.MaxTheorem1 {
		return nil, fmt.Errorf("block %s: %d samples of %d dimensions: %w", p.net.Segments[segment].ODE.Name, rows, m, adjoint.ErrTooLarge)
	}
	all, host := make([]float64, rows*m*m), make([]float64, rows*m)
	if !full {
		for _, v := range p.vectors {
			p.be.Download(tensor.Buffer{F64: host}, v)
			for n := range rows {
				q := host[n*m : (n+1)*m]
				for i := range q {
					for j := range q {
						all[(n*m+i)*m+j] += q[i] * q[j]
					}
				}
			}
		}
		return all, nil
	}
	for j := range m {
		column, err := p.curvatureColumn(segment, m, j)
		if err != nil {
			return nil, err
		}
		for n := range rows {
			for i := range m {
				all[(n*m+i)*m+j] = column[n*m+i] * float64(rows)
			}
		}
	}
	return all, nil
}

// curvatureColumn is the derivative of dL/dx at a block's end along e_j of every sample [rows, m].
func (p *pass) curvatureColumn(segment, m, j int) ([]float64, error) {
	mark := p.be.Mark()
	defer p.be.Release(mark)
	unit := make([]float64, p.blocks.rows*m)
	for n := range p.blocks.rows {
		unit[n*m+j] = 1
	}
	e := p.be.Batch(p.blocks.rows, p.net.Segments[segment].Chain.Out)
	p.be.Upload(e, tensor.Buffer{F64: unit})
	d, err := p.along(segment+1, e, nil)
	if err != nil {
		return nil, err
	}
	p.be.Download(tensor.Buffer{F64: unit}, d.output)
	return unit, nil
}
