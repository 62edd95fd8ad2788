package eigen

import (
	"fmt"
	"math"
)

// numerical is a floating-point outcome; commands exit with a status of their own for it.
type numerical string

func (e numerical) Error() string { return string(e) }
func (numerical) Numerical() bool { return true }

// Errors of Symmetric.
var (
	ErrNonFinite     error = numerical("eigen: matrix has an entry that is not finite")
	ErrNoConvergence error = numerical("eigen: iteration did not converge")
)

// smallest is the size from which a foreign library is worth its call and, the first time, its loading.
const smallest = 48

// Symmetric finds all eigenvalues and an orthonormal basis of eigenvectors of a symmetric matrix:
//
//	a = U diag(values) U^T,   |U^T U - I| and |a - U diag(values) U^T| / |a| about 1e-15 n
//
// a [n, n] is row-major, symmetric, and becomes U, whose column j belongs to values[j]. values [n] is ascending. At most threads goroutines compute (below 1 counts as 1); a LAPACK library, whose own
// results could depend on its threads, is held to one. The time grows as n^3.
//
// It returns ErrNonFinite, and ErrNoConvergence (never seen on finite matrices), wrapped with the size; values and a
// then hold nothing of use. It panics if a slice has the wrong length.
func Symmetric(n int, a, values []float64, threads int) error {
	if n < 0 || len(a) != n*n || len(values) != n {
		panic("eigen: slice of the wrong length")
	}
	solve := native
	if n >= smallest {
		if library := lapack(); library.dsyevd != 0 {
			solve = library.symmetric
		}
	}
	if err := scaled(solve, n, a, values, max(threads, 1)); err != nil {
		return fmt.Errorf("matrix of side %d: %w", n, err)
	}
	return nil
}

// Implementation names what Symmetric computes large matrices with: the file of a LAPACK library, or "native".
func Implementation() string {
	if library := lapack(); library.dsyevd != 0 {
		return library.name
	}
	return "native"
}

// solver is one implementation of Symmetric, for finite matrices whose largest entry is near 1.
type solver func(n int, a, values []float64, threads int) error

// scaled runs solve on a / 2^e, the largest entry of which is near 1, so that no square inside it overflows and none
// that matters underflows. Powers of two change no digit.
func scaled(solve solver, n int, a, values []float64, threads int) error {
	largest := 0.0
	for i, v := range a {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("entry (%d, %d): %w", i/n, i%n, ErrNonFinite)
		}
		largest = max(largest, math.Abs(v))
	}
	_, exponent := math.Frexp(largest)
	exponent = min(max(exponent, -1000), 1000)
	down, up := math.Ldexp(1, -exponent), math.Ldexp(1, exponent)
	for i := range a {
		a[i] *= down
	}
	if err := solve(n, a, values, threads); err != nil {
		return err
	}
	for i := range values {
		values[i] *= up
	}
	return nil
}

// native solves in three steps:
//
//	a = H T H^T           H a product of reflectors, T tridiagonal
//	T = Q diag(values) Q^T
//	U = H Q
//
// Inside, eigenvectors are rows (Q^T, U^T), so that permuting and rotating them touches contiguous memory.
func native(n int, a, values []float64, threads int) error {
	offDiagonal, tau := make([]float64, n), make([]float64, n)
	tridiagonalise(n, a, values, offDiagonal, tau, threads)
	rows := make([]float64, n*n)
	if err := divideAndConquer(n, values, offDiagonal, rows, threads); err != nil {
		return err
	}
	reflectRows(n, rows, a, tau, threads)
	transpose(n, a, rows)
	return nil
}

// transpose writes dst = src^T, both [n, n], in squares that fit the nearest cache. They may be the same.
func transpose(n int, dst, src []float64) {
	const side = 32
	for i0 := 0; i0 < n; i0 += side {
		for j0 := 0; j0 <= i0; j0 += side {
			for i := i0; i < min(i0+side, n); i++ {
				for j := j0; j < min(j0+side, i+1); j++ {
					dst[i*n+j], dst[j*n+i] = src[j*n+i], src[i*n+j]
				}
			}
		}
	}
}
