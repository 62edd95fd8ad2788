package cpu

import (
	"runtime"

	"odepipe/pkg/backend"
	"odepipe/pkg/tensor"
)

// lanes is the number of samples in a block.
const lanes = 16

// Backend implements backend.Backend in float32. It is made by New.
type Backend struct {
	kernels *kernels
	arena   arena
	pool    *pool
	plans   map[backend.Conv]*plans

	terms, restTerms []term // of the Combine or ScaledSquares in hand, and of its last numbers

	// The jobs of the operations, reused so that no call allocates.
	product       product
	filtered      filtered
	filterPacking filterPacking
	filterGrad    filterGrad
	packing       packing
	panels        panels
	contract      contraction
	spread        gramSpread
	stream        stream
	factors       factors
	images        images
	gradEach      gradEach
	sliced        sliced
	batchSum      batchSum

	matrix tilePlan // of the matrix product in hand
}

var _ backend.Backend = (*Backend)(nil)

// New makes a backend that computes on so many threads, 0 for one on each available core. Its kernels are the fastest
// that the processor has, or those that the environment variable ODEPIPE_CPU names: avx512, avx2 or generic.
func New(threads int) *Backend {
	if threads <= 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	return &Backend{kernels: chooseKernels(), pool: newPool(threads), plans: map[backend.Conv]*plans{}}
}

// Kernels names the set of kernels in use: "avx512", "avx2" or "generic".
func (be *Backend) Kernels() string { return be.kernels.name }

// DType is float32.
func (be *Backend) DType() tensor.DType { return tensor.Float32 }

// Err is always nil: nothing here can fail.
func (be *Backend) Err() error { return nil }

// Close stops the workers and drops all memory.
func (be *Backend) Close() {
	be.pool.close()
	be.arena.close()
	be.plans = nil
}

// Batch returns n samples in uninitialised memory, padded to whole blocks.
func (be *Backend) Batch(n int, sample tensor.Shape) tensor.T {
	return tensor.T{Buf: tensor.Buffer{F32: be.arena.take(blocks(n) * sample.Size() * lanes)}, N: n, Shape: sample}
}

// Plain returns a plain tensor in uninitialised memory.
func (be *Backend) Plain(shape tensor.Shape) tensor.T {
	return tensor.T{Buf: tensor.Buffer{F32: be.arena.take(shape.Size())}, Shape: shape}
}

// Mark is the arena's position.
func (be *Backend) Mark() backend.Mark { return be.arena.top }

// Release takes back what was allocated since the mark.
func (be *Backend) Release(m backend.Mark) { be.arena.top = m }

// blocks is the number of blocks that hold n samples.
func blocks(n int) int { return (n + lanes - 1) / lanes }

// floats are the numbers of a tensor, padding included. It panics if the buffer is too short.
func floats(t tensor.T) []float32 {
	n := t.Shape.Size()
	if t.N > 0 {
		n *= blocks(t.N) * lanes
	}
	if len(t.Buf.F32) < n {
		panic("cpu: buffer shorter than its shape")
	}
	return t.Buf.F32[:n]
}

// sameSize panics unless x and y hold equally many numbers in one layout.
func sameSize(x, y tensor.T) {
	if x.N != y.N || x.Shape.Size() != y.Shape.Size() {
		panic("cpu: sizes disagree")
	}
}
