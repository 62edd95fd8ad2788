package cpu

import (
	"unsafe"

	"odepipe/pkg/backend"
)

const (
	lineFloats = 16      // floats in a cache line
	chunkSize  = 1 << 20 // floats in an ordinary chunk: 4 MiB
)

// arena hands out 64-byte aligned memory with stack discipline. Chunks are kept for ever, so that a program which
// repeats itself allocates in its first round only.
type arena struct {
	chunks [][]float32
	top    backend.Mark
}

// take returns n floats, uninitialised.
func (a *arena) take(n int) []float32 {
	room := (n + lineFloats - 1) / lineFloats * lineFloats
	for ; a.top.Chunk < len(a.chunks); a.top = (backend.Mark{Chunk: a.top.Chunk + 1}) {
		chunk := a.chunks[a.top.Chunk]
		if lo := a.top.Offset; lo+room <= len(chunk) {
			a.top.Offset += room
			return chunk[lo : lo+n : lo+room]
		}
	}
	a.chunks = append(a.chunks, aligned(max(room, chunkSize)))
	a.top.Offset = room
	return a.chunks[a.top.Chunk][:n:room]
}

// aligned makes n zeros that start on a cache line.
func aligned(n int) []float32 {
	s := make([]float32, n+lineFloats)
	skip := 0
	for uintptr(unsafe.Pointer(&s[skip]))%(4*lineFloats) != 0 {
		skip++
	}
	return s[skip : skip+n : skip+n]
}
