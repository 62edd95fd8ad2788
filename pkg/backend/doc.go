// Package backend is the arithmetic that everything above is written in: some thirty operations on tensors, each
// given by a formula.
//
//	ref   float64, naive loops: the specification, the oracle of all tests, and what dtype = "float64" runs on
//	cpu   float32, vectorised kernels with a portable fallback
//	cuda  float32, kernels for NVIDIA GPUs
//
// Precision belongs to the backend: solver, layers and adjoint are the same code on all of them. Time, step sizes and
// norms are float64 on the host everywhere.
//
// A backend is used by one goroutine at a time and parallelises inside an operation. Results never depend on the
// number of threads. Memory comes from an arena with stack discipline: Mark, allocate, Release. In the steady state
// nothing is allocated. Shapes that disagree are our bugs and panic; operations return no errors, what can fail on a
// device is sticky and read with Err.
package backend
