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

	be     backend.Backend
	layers []*nn.Affine
	gram   map[*nn.Affine][2]tensor.T // scratch of A's and B's shapes
}

// NewFactors makes zero factors for the layers, in arena memory of be.
func NewFactors(be backend.Backend, layers []*nn.Affine) *Factors {
	f := &Factors{A: map[*nn.Affine]tensor.T{}, B: map[*nn.Affine]tensor.T{}, be: be, layers: layers, gram: map[*nn.Affine][2]tensor.T{}}
	for _, l := range layers {
		k, out := tensor.Of(l.Geometry.GramSize(), l.Geometry.GramSize()), tensor.Of(l.Geometry.Out, l.Geometry.Out)
		f.A[l], f.B[l] = be.Plain(k), be.Plain(out)
		f.gram[l] = [2]tensor.T{be.Plain(k), be.Plain(out)}
	}
	f.clear()
	return f
}

// Tap returns a tap that adds to the factors of each layer, where the weights are not 0,
//
//	A += weightA E_b[z z^T]     B += weightB E_b[g g^T]
func (f *Factors) Tap(weightA, weightB float64) nn.Tap {
	return func(l *nn.Affine, z, g tensor.T, t []float64) {
		samples, positions := float64(z.N), float64(l.Geometry.OH()*l.Geometry.OW())
		gram := f.gram[l]
		if weightA != 0 {
			f.be.PatchGram(gram[0], l.Geometry, z, t)
			f.be.Combine(f.A[l], []float64{1, weightA / samples}, f.A[l], gram[0])
		}
		if weightB != 0 {
			f.be.CotangentGram(gram[1], l.Geometry, g)
			f.be.Combine(f.B[l], []float64{1, weightB / (samples * positions)}, f.B[l], gram[1])
		}
	}
}

// add adds weight times other factors, of some of the layers.
func (f *Factors) add(weight float64, other *Factors) {
	for _, l := range other.layers {
		f.be.Combine(f.A[l], []float64{1, weight}, f.A[l], other.A[l])
		f.be.Combine(f.B[l], []float64{1, weight}, f.B[l], other.B[l])
	}
}

// clear makes the factors zero.
func (f *Factors) clear() {
	for l := range f.A {
		f.be.Combine(f.A[l], nil)
		f.be.Combine(f.B[l], nil)
	}
}
