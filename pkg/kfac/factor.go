package kfac

import (
	"fmt"

	"odepipe/pkg/backend"
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

// Factors is the Kronecker pair of one affine layer h = W z + b (paper eq. (13)), plain tensors of the backend:
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

// spectrum is the eigendecomposition of one factor, in float64 on the host.
type spectrum struct {
	values, vectors []float64 // ascending [side]; [side, side], column j belonging to values[j]
}

// download brings a factor to the host as its symmetric part (F + F^T) / 2.
func download(be backend.Backend, factor tensor.T, side int) []float64 {
	if factor.N != 0 || factor.Shape != tensor.Of(side, side) {
		panic("kfac: factor of the wrong shape")
	}
	host := tensor.Buffer{F64: make([]float64, side*side)}
	be.Download(host, factor)
	a := host.F64
	for i := 0; i < side; i++ {
		for j := 0; j < i; j++ {
			mean := a[i*side+j]/2 + a[j*side+i]/2
			a[i*side+j], a[j*side+i] = mean, mean
		}
	}
	return a
}

// decompose finds a factor's spectrum; a is destroyed. Eigenvalues below zero are rounding errors and become zero,
// unless they are beyond a thousandth of the largest.
//
// It returns the errors of eigen.Symmetric and ErrIndefinite.
func decompose(side int, a []float64, threads int) (spectrum, error) {
	s := spectrum{make([]float64, side), make([]float64, side*side)}
	if err := eigen.Symmetric(side, a, s.values, s.vectors, threads); err != nil {
		return spectrum{}, err
	}
	if side > 0 && !(s.values[0] >= -1e-3*s.values[side-1]) {
		return spectrum{}, fmt.Errorf("%w: eigenvalues from %.3g to %.3g", ErrIndefinite, s.values[0], s.values[side-1])
	}
	for j := range s.values {
		s.values[j] = max(s.values[j], 0)
	}
	return s, nil
}
