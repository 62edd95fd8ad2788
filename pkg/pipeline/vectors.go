package pipeline

import (
	"fmt"
	"math"
	"math/rand/v2"

	"odepipe/pkg/tensor"
)

// Terminal says what the vectors y_i of Proposition 2 are at the model's output, of each sample.
type Terminal string

// The choices of --terminal.
const (
	GradientVector Terminal = "gradient" // the loss's gradient, scaled by 1/sqrt(t1 - t0) in every ODE block: rank 1
	ExactFactor    Terminal = "exact"    // an exact factor of the loss's Hessian
	DrawnVectors   Terminal = "sampled"  // gradients at targets drawn from the model's own distribution, scaled by 1/sqrt(R)
)

// Sampling says from which vectors and at which points Kronecker factors are sampled.
type Sampling struct {
	Factors  string  // "grid" or "stages": on a uniform grid, or at the solver's stages
	Step     float64 // largest spacing of the grid, units of t
	Terminal Terminal
	Rank     int // number of drawn vectors
}

// maxRows bounds the numbers of the rows p, and of the vectors, of a mini-batch.
const maxRows = 1 << 28

// startVectors makes the vectors at the model's output. dy is the gradient of the mean loss.
func (p *pass) startVectors(dy tensor.T) error {
	pred, width := p.predictions()
	rows := p.blocks.rows
	rank := map[Terminal]int{GradientVector: 1, ExactFactor: p.net.Loss.Rank(width), DrawnVectors: p.sampling.Rank}[p.sampling.Terminal]
	numbers := 0
	for _, param := range p.net.Params {
		numbers += param.Shape.Size()
	}
	if !p.rows {
		numbers = p.net.Output.Size()
	}
	if size := float64(rank) * float64(rows) * float64(numbers); size > maxRows {
		return fmt.Errorf("%d vectors of %d samples with %d numbers each make %.3g, more than %d: %w", rank, rows, numbers, size, maxRows, ErrMismatch)
	}
	host := make([][]float64, rank) // [rank][rows, width]
	for i := range host {
		host[i] = make([]float64, rows*width)
	}
	rng := rand.New(rand.NewPCG(uint64(p.step), 0))
	for n := range rows {
		z := pred[n*width : (n+1)*width]
		of := make([][]float64, rank)
		for i := range of {
			of[i] = host[i][n*width : (n+1)*width]
		}
		switch p.sampling.Terminal {
		case ExactFactor:
			p.net.Loss.Factor(of, z)
		case DrawnVectors:
			for _, s := range of {
				p.net.Loss.Draw(s, z, rng.Float64, rng.NormFloat64)
			}
		}
	}
	for i := range host {
		v := p.be.Batch(rows, p.net.Output)
		scale := 1.0
		switch p.sampling.Terminal {
		case GradientVector:
			p.be.Combine(v, []float64{float64(rows)}, dy)
		case DrawnVectors:
			scale = 1 / math.Sqrt(float64(rank))
			fallthrough
		default:
			p.be.Upload(v, tensor.Buffer{F64: host[i]})
			p.be.Combine(v, []float64{scale}, v)
		}
		p.vectors = append(p.vectors, v)
	}
	return nil
}
