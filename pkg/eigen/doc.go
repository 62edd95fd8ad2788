// Package eigen finds all eigenvalues and eigenvectors of real symmetric matrices, in float64:
//
//	A = U diag(values) U^T,   U^T U = I
//
// There are two implementations of one function, Symmetric:
//
//	LAPACK   dsyevd of a library that is already on the machine, found at run time; nothing is linked
//	native   Householder tridiagonalisation -> divide and conquer -> back-transformation, all three blocked
//
// Both give the same bytes for the same matrix on the same machine, whatever the number of threads. Absent on
// purpose: eigenvalues alone, part of a spectrum, complex and unsymmetric matrices.
package eigen
