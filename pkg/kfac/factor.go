package kfac

import (
	"fmt"

	"odepipe/pkg/eigen"
	"odepipe/pkg/tensor"
)

// numerical is a floating-point outcome; commands exit with a status of their own for it.
type numerical string

func (e numerical) Error() string { return string(e) }
func (numerical) Numerical() bool { return true }

// ErrIndefinite says that a factor, a mean of squares, has an eigenvalue far below zero.
var ErrIndefinite error = numerical("kfac: Kronecker factor is not positive semidefinite")

// MaxSide bounds the factors' sides, hence memory: one such factor is a GiB of float32.
const MaxSide = 1 << 14

// Factors is the Kronecker pair of one affine layer h = W z + b (paper eq. (13)), plain tensors that hold host
// buffers, since they are decomposed there:
//
//	A [K, K]      int E[ sum_p z_p z_p^T ] dt,  z with a final 1 if the layer has a bias;  K = FanIn or FanIn + 1
//	B [Out, Out]  int E[ mean_p g_p g_p^T ] dt,  g = (dF/dh)^T q
//
// E is the mean over the batch; p runs over the output positions of a convolution, of which a linear layer has one.
// A sums over them and B averages, so the pair B (x) A needs no further factor. For per-sample gradients
// G = sum_p g_p z_p^T whose positions are uncorrelated and whose g are independent of z (Grosse and Martens 2016),
//
//	E[ vec G vec G^T ] = sum_p E[g_p g_p^T] (x) E[z_p z_p^T] = P mean_p E[g g^T] (x) mean_p E[z z^T] = B (x) A
//
// The "number of convolution positions" that the paper's scaling contains is the P that A's sum contains.
type Factors struct{ A, B tensor.T }

// symmetric is the symmetric part (F + F^T) / 2 of a factor, in float64.
func symmetric(factor tensor.T, side int) []float64 {
	if factor.N != 0 || factor.Shape != tensor.Of(side, side) || factor.Buf.Len() != side*side {
		panic("kfac: factor of the wrong shape")
	}
	a, host := make([]float64, side*side), factor.Buf
	for i := 0; i < side; i++ {
		a[i*side+i] = host.At(i*side + i)
		for j := 0; j < i; j++ {
			mean := host.At(i*side+j)/2 + host.At(j*side+i)/2
			a[i*side+j], a[j*side+i] = mean, mean
		}
	}
	return a
}

// spectrum is the eigendecomposition of one factor, on the host.
type spectrum struct {
	values  []float64     // ascending [side]
	vectors tensor.Buffer // [side, side], column j belonging to values[j]; of the element type of the basis
}

// decompose finds a factor's spectrum in float64. Eigenvalues below zero are rounding errors and become zero, unless they
// are beyond a thousandth of the largest.
//
// It returns the errors of eigen.Symmetric and ErrIndefinite.
func decompose(side int, factor tensor.T, d tensor.DType, threads int) (spectrum, error) {
	a, values := symmetric(factor, side), make([]float64, side)
	if err := eigen.Symmetric(side, a, values, threads); err != nil {
		return spectrum{}, err
	}
	if side > 0 && !(values[0] >= -1e-3*values[side-1]) {
		return spectrum{}, fmt.Errorf("%w: eigenvalues from %.3g to %.3g", ErrIndefinite, values[0], values[side-1])
	}
	for j := range values {
		values[j] = max(values[j], 0)
	}
	if d == tensor.Float64 {
		return spectrum{values, tensor.Buffer{F64: a}}, nil
	}
	s := spectrum{values, d.Make(side * side)}
	for i, v := range a {
		s.vectors.Set(i, v)
	}
	return s, nil
}
