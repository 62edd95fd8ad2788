package ref

import (
	"odepipe/pkg/backend"
	"odepipe/pkg/tensor"
)

// Backend is the reference backend; it has no settings. It is used by one goroutine at a time.
type Backend struct{ arena arena }

var _ backend.Backend = (*Backend)(nil)

// New makes a backend with an empty arena.
func New() *Backend { return &Backend{} }

// DType is tensor.Float64.
func (*Backend) DType() tensor.DType { return tensor.Float64 }

// Err is nil: nothing here can fail.
func (*Backend) Err() error { return nil }

// Close does nothing.
func (*Backend) Close() {}

// Batch returns n samples of the shape, n > 0, filled with NaN.
func (b *Backend) Batch(n int, sample tensor.Shape) tensor.T {
	if n <= 0 {
		panic("ref: a batch needs samples")
	}
	return tensor.T{Buf: tensor.Buffer{F64: b.arena.take(n * sample.Size())}, N: n, Shape: sample}
}

// Plain returns a plain tensor of the shape, filled with NaN.
func (b *Backend) Plain(shape tensor.Shape) tensor.T {
	return tensor.T{Buf: tensor.Buffer{F64: b.arena.take(shape.Size())}, Shape: shape}
}

// Mark is the present end of the arena.
func (b *Backend) Mark() backend.Mark { return b.arena.end }

// Release gives back everything allocated since the mark.
func (b *Backend) Release(m backend.Mark) { b.arena.release(m) }

// View returns n samples of the shape in the memory of x from its sample first on.
func (*Backend) View(x tensor.T, first, n int, sample tensor.Shape) tensor.T {
	from := numbers(x)[first*x.Shape.Size():]
	if x.N == 0 || n <= 0 || first%backend.Group != 0 || len(from) < n*sample.Size() {
		panic("ref: a view of what is not there")
	}
	return tensor.T{Buf: tensor.Buffer{F64: from[: n*sample.Size() : n*sample.Size()]}, N: n, Shape: sample}
}

// numbers are the elements of a tensor. It panics if the buffer is not of this backend or does not fit the shape.
func numbers(t tensor.T) []float64 {
	if len(t.Buf.F64) != t.Size() {
		panic("ref: buffer does not fit its shape")
	}
	return t.Buf.F64
}

// none says whether an optional argument was left out, as the zero T.
func none(t tensor.T) bool { return t.Buf.F64 == nil }

// mustMatch panics unless the shapes of two tensors, or two sizes, agree.
func mustMatch[S comparable](a, b S) {
	if a != b {
		panic("ref: shape mismatch")
	}
}

// samples is the number of samples over which a per-sample sum runs: N, 1 for a plain tensor.
func samples(t tensor.T) int { return max(t.N, 1) }
