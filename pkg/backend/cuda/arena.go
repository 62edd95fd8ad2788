package cuda

import "odepipe/pkg/backend"

const (
	chunkFloats = 64 << 20 // floats of a chunk: 256 MiB
	lineFloats  = 64       // requests are rounded up to lines of 256 bytes
	maxFloats   = 1<<31 - 1 - lineFloats
)

// arena hands out device memory with stack discipline, from chunks that are kept until the backend is closed: a program
// that repeats itself allocates in its first round only.
type arena struct {
	chunk  int // least number of floats of a chunk
	chunks []span
	top    backend.Mark
}

// span is a run of numbers in device memory; the zero span is none.
type span struct {
	address uintptr
	length  int
}

// take returns n floats, uninitialised, or what went wrong with getting a new chunk.
func (a *arena) take(dev device, n int) (span, error) {
	room := max(1, (n+lineFloats-1)/lineFloats) * lineFloats
	for ; a.top.Chunk < len(a.chunks); a.top = (backend.Mark{Chunk: a.top.Chunk + 1}) {
		chunk := a.chunks[a.top.Chunk]
		if lo := a.top.Offset; lo+room <= chunk.length {
			a.top.Offset += room
			return span{chunk.address + uintptr(4*lo), n}, nil
		}
	}
	size := max(room, a.chunk)
	address, err := dev.alloc(4 * size)
	if err != nil && size > room {
		size = room
		address, err = dev.alloc(4 * size)
	}
	if err != nil {
		return span{}, err
	}
	a.chunks = append(a.chunks, span{address, size})
	a.top.Offset = room
	return span{address, n}, nil
}
