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
}

// NewFactors makes zero factors for the layers, in arena memory of be.
func NewFactors(be backend.Backend, layers []*nn.Affine) *Factors {
	f := &Factors{A: map[*nn.Affine]tensor.T{}, B: map[*nn.Affine]tensor.T{}, be: be, layers: layers}
	for _, l := range layers {
		f.A[l] = be.Plain(tensor.Of(l.Geometry.GramSize(), l.Geometry.GramSize()))
		f.B[l] = be.Plain(tensor.Of(l.Geometry.Out, l.Geometry.Out))
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
		mark := f.be.Mark()
		defer f.be.Release(mark)
		if weightA != 0 {
			gram := f.be.Plain(f.A[l].Shape)
			f.be.PatchGram(gram, l.Geometry, z, t)
			f.be.Combine(f.A[l], []float64{1, weightA / samples}, f.A[l], gram)
		}
		if weightB != 0 {
			gram := f.be.Plain(f.B[l].Shape)
			f.be.CotangentGram(gram, l.Geometry, g)
			f.be.Combine(f.B[l], []float64{1, weightB / (samples * positions)}, f.B[l], gram)
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
