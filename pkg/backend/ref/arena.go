package ref

import (
	"math"

	"odepipe/pkg/backend"
)

// chunkSize is the least number of elements of a chunk: 2 MiB, far above what small tests need.
const chunkSize = 1 << 18

// arena is a stack of numbers in chunks that never move, so that earlier tensors stay valid while it grows. A request
// that does not fit the rest of a chunk starts the next one.
type arena struct {
	chunks [][]float64
	end    backend.Mark
}

// take returns n fresh numbers, all NaN.
func (a *arena) take(n int) []float64 {
	if len(a.chunks) == 0 {
		a.chunks = append(a.chunks, make([]float64, max(n, chunkSize)))
	}
	if a.end.Offset+n > len(a.chunks[a.end.Chunk]) {
		a.end = backend.Mark{Chunk: a.end.Chunk + 1}
		switch {
		case a.end.Chunk == len(a.chunks):
			a.chunks = append(a.chunks, make([]float64, max(n, chunkSize)))
		case len(a.chunks[a.end.Chunk]) < n: // left by an earlier use of the stack, and free
			a.chunks[a.end.Chunk] = make([]float64, n)
		}
	}
	lo := a.end.Offset
	a.end.Offset += n
	run := a.chunks[a.end.Chunk][lo:a.end.Offset:a.end.Offset]
	for i := range run {
		run[i] = math.NaN()
	}
	return run
}

// release moves the end back to m. It panics if m lies beyond the end: marks are released in reverse order.
func (a *arena) release(m backend.Mark) {
	if m.Chunk > a.end.Chunk || m.Chunk == a.end.Chunk && m.Offset > a.end.Offset {
		panic("ref: release of a mark already released")
	}
	a.end = m
}
