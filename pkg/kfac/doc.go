// Package kfac turns a gradient matrix into a damped natural-gradient direction with the Kronecker factors of its
// layer (SNOpt paper, eqs. (13), (14) and Algorithm 2; the scaling in the eigenbasis is that of EKFAC, George et al.
// 2018):
//
//	factors A, B  --Refresh-->  U_A, U_B, s        now and then: two eigendecompositions a layer
//	gradient G  --Precondition-->  U_B ( (U_B^T G U_A) / (s + eps) ) U_A^T        at every step
//
// Damping has the other ways to add eps, and Inversion chooses between the corrected eigenvalues s and the plain
// Kronecker inverse.
//
// It sees matrices alone: no network, no time, no step size. Absent on purpose: how factors are collected (that is the
// adjoint's part) and what is done with the direction (that is the optimizer's).
package kfac
