package adjoint

import (
	"odepipe/pkg/backend"
	"odepipe/pkg/nn"
	"odepipe/pkg/tensor"
)

// Factors sums the Kronecker factors of affine layers, A [K, K] of inputs and B [Out, Out] of output cotangents, with
// the bias last in A; a convolution's A sums over output positions, its B averages over them (KFC).
type Factors struct {
	A, B map[*nn.Affine]tensor.T

	be   backend.Backend
	gram map[*nn.Affine][2]tensor.T // scratch of A's and B's shapes
}

// NewFactors makes zero factors for the layers, in arena memory of be.
func NewFactors(be backend.Backend, layers []*nn.Affine) *Factors {
	f := &Factors{A: map[*nn.Affine]tensor.T{}, B: map[*nn.Affine]tensor.T{}, be: be, gram: map[*nn.Affine][2]tensor.T{}}
	for _, l := range layers {
		k, out := tensor.Of(l.Geometry.GramSize(), l.Geometry.GramSize()), tensor.Of(l.Geometry.Out, l.Geometry.Out)
		f.A[l], f.B[l] = be.Plain(k), be.Plain(out)
		f.gram[l] = [2]tensor.T{be.Plain(k), be.Plain(out)}
		be.Combine(f.A[l], nil)
		be.Combine(f.B[l], nil)
	}
	return f
}

// Tap returns a tap that adds to the factors of each layer, for cotangents g of the mean loss over N samples,
//
//	A += weight E_b[z z^T]     B += weight scale E_b[(N g)(N g)^T]
func (f *Factors) Tap(weight, scale float64) nn.Tap {
	return func(l *nn.Affine, z, g tensor.T, t []float64) {
		samples, positions := float64(z.N), float64(l.Geometry.OH()*l.Geometry.OW())
		gram := f.gram[l]
		f.be.PatchGram(gram[0], l.Geometry, z, t)
		f.be.Combine(f.A[l], []float64{1, weight / samples}, f.A[l], gram[0])
		f.be.CotangentGram(gram[1], l.Geometry, g)
		f.be.Combine(f.B[l], []float64{1, weight * scale * samples / positions}, f.B[l], gram[1])
	}
}
