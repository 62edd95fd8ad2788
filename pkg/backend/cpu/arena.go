package cpu

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"odepipe/pkg/backend"
)

const (
	lineFloats = 16      // floats in a cache line
	reserved   = 1 << 32 // floats of address space in a chunk: 16 GiB
	limited    = 1 << 20 // where that is too much to ask (ulimit -v)
)

// arena hands out 64-byte aligned memory with stack discipline. A chunk is address space that the system fills with
// memory page by page as it is first touched, and that is kept for ever: a program that repeats itself allocates in its
// first round only, and what it holds is the most that it ever used at a time.
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
	a.chunks = append(a.chunks, reserve(room))
	a.top.Offset = room
	return a.chunks[a.top.Chunk][:n:room]
}

// close gives all memory back.
func (a *arena) close() {
	for _, chunk := range a.chunks {
		unix.MunmapPtr(unsafe.Pointer(&chunk[0]), uintptr(4*len(chunk)))
	}
	*a = arena{}
}

// reserve makes a chunk of at least n floats. It panics if the system refuses even those.
func reserve(n int) []float32 {
	for _, size := range []int{reserved, limited, n} {
		size = max(size, n)
		p, err := unix.MmapPtr(-1, 0, nil, uintptr(4*size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_NORESERVE)
		if err == nil {
			return unsafe.Slice((*float32)(p), size)
		}
	}
	panic("cpu: out of memory")
}
