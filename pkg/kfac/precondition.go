package kfac

import (
	"odepipe/pkg/backend"
	"odepipe/pkg/tensor"
)

// Gradient is what belongs to one layer: that of its weights, [Out, FanIn] or any shape of that size and order such
// as a convolution's [Out, channels, kernel, kernel], and that of its bias, [Out], or the zero T. As one matrix it is
// G = [Weight Bias], [Out, K].
type Gradient struct{ Weight, Bias tensor.T }

// Precondition writes the damped natural-gradient direction of one layer (paper, Algorithm 2; damping at Damping):
//
//	Gk = U_B^T G U_A
//	s <- alpha s + (1-alpha) batch Gk^2
//	dst = U_B ( Gk / (s + damping) ) U_A^T
//
// or, with in.Kronecker (eq. (14)), where s stays as it is,
//
//	dst = (B + delta_B I)^-1 G (A + delta_A I)^-1 = U_B ( Gk / ((b + delta_B) (a + delta_A)^T) ) U_A^T
//
// G is the gradient of the mean loss over batch samples. batch Gk^2 estimates the mean square of the samples' own
// gradients, as if those were independent with mean zero; it is what s holds right after Refresh, up to the factor
// t1 - t0 by which the paper scales q (1 in its experiments). G is not modified; dst may be G. Cost Out K (2 Out + 2 K)
// multiplications. It panics if shapes disagree.
func (e *Eigenbasis) Precondition(be backend.Backend, dst, g Gradient, in Inversion) {
	mark := be.Mark()
	defer be.Release(mark)
	y := e.rotate(be, g) // Gk
	e.divide(be, y, in)
	x := be.Plain(y.Shape)
	be.Gemm(x, false, e.Output, false, y) // x = U_B (Gk / ...)
	be.Gemm(dst.Weight.Reshaped(e.weightShape()), false, x, true, e.Weight)
	if e.hasBias() {
		be.Gemm(dst.Bias.Reshaped(e.biasShape()), false, x, true, e.Bias)
	}
}

// rotate is U_B^T G U_A [Out, K], in the arena's memory.
func (e *Eigenbasis) rotate(be backend.Backend, g Gradient) tensor.T {
	if !e.Ready {
		panic("kfac: basis used before its first refresh")
	}
	out, k := e.sides()
	x, y := be.Plain(tensor.Of(out, k)), be.Plain(tensor.Of(out, k))
	be.Gemm(x, false, g.Weight.Reshaped(e.weightShape()), false, e.Weight) // x = G U_A
	if e.hasBias() {
		be.Gemm(y, false, g.Bias.Reshaped(e.biasShape()), false, e.Bias)
		be.Combine(x, []float64{1, 1}, x, y)
	}
	be.Gemm(y, true, e.Output, false, x) // y = U_B^T G U_A
	return y
}

func (e *Eigenbasis) hasBias() bool { return e.Bias.Shape.Rank > 0 }
func (e *Eigenbasis) weightShape() tensor.Shape {
	return tensor.Of(e.Scale.Shape.Dim[0], e.Weight.Shape.Dim[0])
}
func (e *Eigenbasis) biasShape() tensor.Shape { return tensor.Of(e.Scale.Shape.Dim[0], 1) }
