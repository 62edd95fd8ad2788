// Package cpu is the float32 backend: vectorised kernels on all cores, with a portable fallback.
//
// A batch is cut into blocks of 16 samples, one cache line, laid out [block][h][w][c][16]. Everything affine is then
// one of three small products over rows of 16 lanes, and no patch is ever copied:
//
//	tile   acc[row][lane]  = image[row] + sum_k a[k][row] b[k][lane]     forward, backward, Gemm
//	dot    acc[row][column] += sum_{position, lane} a[row][lane] b[column][lane]     gradients, Gram matrices
//	each   acc[row][lane]  = sum_k a[k][lane] b[k][row][lane]             gradients of each sample, CombineEach
//
// Convolutions between many channels take fewer multiplications, with 3x3 taps, or 4x4 of stride 2 (winograd.go).
//
// Which rows of b meet which rows of a is a table of runs that depends on the geometry alone (runs.go). Each kernel
// exists for AVX-512, AVX2 and in plain Go (kernels.go). Work is cut into parts independent of one another, so results do
// not depend on the number of threads. Absent on purpose: float64, cgo, im2col, per-call allocation.
package cpu
