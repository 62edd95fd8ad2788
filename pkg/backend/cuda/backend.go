package cuda

import (
	"errors"
	"fmt"
	"unsafe"

	"odepipe/pkg/backend"
	"odepipe/pkg/tensor"
)

// ErrTooLarge says that a tensor has more numbers than the kernels count.
var ErrTooLarge = errors.New("cuda: a tensor of 2^31 numbers or more")

// Backend implements backend.Backend in float32 on a GPU. It is made by Open and used by the goroutine that made it.
type Backend struct {
	dev   device
	arena arena
	err   error // the first failure, after which nothing is done

	next  call      // the launch that is being put together
	terms []term    // of the combination in hand
	host  []float32 // numbers on their way
	sums  []float64 // sums of slices
}

var _ backend.Backend = (*Backend)(nil)

// newBackend makes a backend on a device, with memory in chunks of at least so many floats.
func newBackend(dev device, chunk int) *Backend {
	return &Backend{dev: dev, arena: arena{chunk: chunk}}
}

// DType is float32.
func (be *Backend) DType() tensor.DType { return tensor.Float32 }

// Err is the first failure. What a kernel does wrong shows when the host next waits for the device: always before numbers
// come back.
func (be *Backend) Err() error { return be.err }

// Close frees all memory. The goroutine may then move between threads again. Closing twice does nothing more.
func (be *Backend) Close() {
	if be.dev != nil {
		be.dev.close()
		be.dev = nil
	}
}

// Batch returns n samples in uninitialised memory.
func (be *Backend) Batch(n int, sample tensor.Shape) tensor.T {
	return tensor.T{Buf: be.take(n * sample.Size()).buffer(), N: n, Shape: sample}
}

// Plain returns a plain tensor in uninitialised memory.
func (be *Backend) Plain(shape tensor.Shape) tensor.T {
	return tensor.T{Buf: be.take(shape.Size()).buffer(), Shape: shape}
}

// Mark is the arena's position.
func (be *Backend) Mark() backend.Mark { return be.arena.top }

// Release takes back what was allocated since the mark. Launches are in order, so kernels that still wait to use the memory
// come before those that use it anew.
func (be *Backend) Release(m backend.Mark) { be.arena.top = m }

// View returns n samples of the shape in the memory of x from its sample first on.
func (be *Backend) View(x tensor.T, first, n int, sample tensor.Shape) tensor.T {
	skipped := first * x.Shape.Size()
	if x.N == 0 || n <= 0 || first < 0 || first%backend.Group != 0 || skipped+n*sample.Size() > x.Size() {
		panic("cuda: a view of what is not there")
	}
	return tensor.T{Buf: tensor.Buffer{Device: x.Buf.Device + uintptr(4*skipped)}, N: n, Shape: sample}
}

// take returns n floats. After a failure they are nowhere, and nothing touches them.
func (be *Backend) take(n int) span {
	nowhere := span{1, n}
	if n > maxFloats {
		be.fail(ErrTooLarge)
	}
	if be.err != nil {
		return nowhere
	}
	s, err := be.arena.take(be.dev, n)
	if err != nil {
		be.fail(fmt.Errorf("cuda: %d MiB of memory: %w", n>>18, err))
		return nowhere
	}
	return s
}

// fail keeps the first failure.
func (be *Backend) fail(err error) {
	if be.err == nil {
		be.err = err
	}
}

func (be *Backend) write(dst span, src []float32) {
	if be.err == nil && len(src) > 0 {
		be.fail(be.dev.write(dst.address, unsafe.Pointer(&src[0]), 4*len(src)))
	}
}

func (be *Backend) read(dst []float32, src span) {
	if be.err == nil && len(dst) > 0 {
		be.fail(be.dev.read(unsafe.Pointer(&dst[0]), src.address, 4*len(dst)))
	}
}

func (s span) buffer() tensor.Buffer { return tensor.Buffer{Device: s.address} }

// numbers is where a tensor's numbers are; none for the zero T.
func numbers(t tensor.T) span {
	if t.Buf.Device == 0 {
		return span{}
	}
	return span{t.Buf.Device, t.Size()}
}

// mustMatch panics unless two sizes agree.
func mustMatch(a, b int) {
	if a != b {
		panic("cuda: shape mismatch")
	}
}

// sameSize panics unless x and y hold equally many numbers in one layout.
func sameSize(x, y tensor.T) {
	mustMatch(x.N, y.N)
	mustMatch(x.Shape.Size(), y.Shape.Size())
}

// sameImage panics unless image is plain and of the size of x's samples.
func sameImage(x, image tensor.T) {
	mustMatch(image.N, 0)
	mustMatch(image.Shape.Size(), x.Shape.Size())
}

// samples is the number of samples over which a per-sample sum runs: N, 1 for a plain tensor.
func samples(t tensor.T) int { return max(t.N, 1) }
