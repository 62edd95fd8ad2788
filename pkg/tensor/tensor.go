package tensor

import (
	"fmt"
	"strings"
)

// MaxRank is the largest number of dimensions of a shape: that of a convolution's weight.
const MaxRank = 4

// Shape is a list of at most MaxRank dimensions; the zero value is a scalar. Shapes compare with ==.
type Shape struct {
	Rank int
	Dim  [MaxRank]int
}

// Of makes a shape. It panics beyond MaxRank dimensions or if one is negative.
func Of(dims ...int) Shape {
	if len(dims) > MaxRank {
		panic("tensor: rank above MaxRank")
	}
	s := Shape{Rank: len(dims)}
	for i, d := range dims {
		if d < 0 {
			panic("tensor: negative dimension")
		}
		s.Dim[i] = d
	}
	return s
}

// Size is the number of elements, 1 for a scalar.
func (s Shape) Size() int {
	n := 1
	for _, d := range s.Dim[:s.Rank] {
		n *= d
	}
	return n
}

// Dims lists the dimensions.
func (s Shape) Dims() []int { return append([]int(nil), s.Dim[:s.Rank]...) }

// String writes the shape as [64, 6, 6].
func (s Shape) String() string {
	words := make([]string, s.Rank)
	for i := range words {
		words[i] = fmt.Sprint(s.Dim[i])
	}
	return "[" + strings.Join(words, ", ") + "]"
}

// Buffer is a run of numbers: of a host slice, exactly one of F32 and F64 being set, or of a device's memory at
// address Device. Only the backend that made a buffer looks inside; on the host side of Upload and Download it is an
// ordinary slice.
type Buffer struct {
	F32    []float32
	F64    []float64
	Device uintptr
}

// Len is the number of elements of a host buffer.
func (b Buffer) Len() int { return max(len(b.F32), len(b.F64)) }

// At is element i of a host buffer.
func (b Buffer) At(i int) float64 {
	if b.F64 != nil {
		return b.F64[i]
	}
	return float64(b.F32[i])
}

// Set writes element i of a host buffer, rounding to its type.
func (b Buffer) Set(i int, v float64) {
	if b.F64 != nil {
		b.F64[i] = v
	} else {
		b.F32[i] = float32(v)
	}
}

// Copy writes the elements of src to b, rounding to its type. Both are host buffers. It panics if they differ in length.
func (b Buffer) Copy(src Buffer) {
	if b.Len() != src.Len() {
		panic("tensor: copy of another length")
	}
	switch {
	case b.F32 != nil && src.F32 != nil:
		copy(b.F32, src.F32)
	case b.F64 != nil && src.F64 != nil:
		copy(b.F64, src.F64)
	default:
		for i := range b.Len() {
			b.Set(i, src.At(i))
		}
	}
}

// Clear sets all elements of a host buffer to 0.
func (b Buffer) Clear() {
	clear(b.F32)
	clear(b.F64)
}

// Slice is the part [lo, hi) of a host buffer; it shares memory.
func (b Buffer) Slice(lo, hi int) Buffer {
	if b.F64 != nil {
		return Buffer{F64: b.F64[lo:hi]}
	}
	return Buffer{F32: b.F32[lo:hi]}
}

// DType is the element type of a tensor: "float32" or "float64", as model files write it.
type DType string

// The two element types.
const (
	Float32 DType = "float32"
	Float64 DType = "float64"
)

// Make allocates n zeros on the host.
func (d DType) Make(n int) Buffer {
	if d == Float64 {
		return Buffer{F64: make([]float64, n)}
	}
	return Buffer{F32: make([]float32, n)}
}

// T is a tensor: a buffer with its shape. N > 0 makes it a batch of N samples of that shape (see the package comment).
type T struct {
	Buf   Buffer
	N     int
	Shape Shape
}

// Size is the number of valid elements: those of one sample times N for a batch.
func (t T) Size() int {
	if t.N > 0 {
		return t.N * t.Shape.Size()
	}
	return t.Shape.Size()
}

// Reshaped is the same memory under another shape of equal size.
func (t T) Reshaped(s Shape) T {
	if s.Size() != t.Shape.Size() {
		panic("tensor: reshape changes the size")
	}
	t.Shape = s
	return t
}
