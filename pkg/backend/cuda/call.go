package cuda

import (
	"fmt"
	"math"

	"odepipe/pkg/backend"
	"odepipe/pkg/tensor"
)

const (
	blockThreads = 256
	wantedBlocks = 2 * 132 // two for each multiprocessor of the GPUs that this is made for
)

// call is a launch that is being put together: the kernel, its arguments in order, then the grid.
type call struct {
	be        *Backend
	kernel    string
	arguments []uint64
	lengths   []int64
}

// call begins a launch.
func (be *Backend) call(kernel string) *call {
	be.next = call{be: be, kernel: kernel, arguments: be.next.arguments[:0], lengths: be.next.lengths[:0]}
	return &be.next
}

func (c *call) add(bits uint64, length int) *call {
	c.arguments = append(c.arguments, bits)
	c.lengths = append(c.lengths, int64(length))
	return c
}

func (c *call) span(s span) *call { return c.add(uint64(s.address), s.length) }

func (c *call) tensor(t tensor.T) *call { return c.span(numbers(t)) }

func (c *call) ints(values ...int) *call {
	for _, v := range values {
		c.add(uint64(v), 0)
	}
	return c
}

func (c *call) float(v float64) *call { return c.add(uint64(math.Float32bits(float32(v))), 0) }

// conv adds the kernels' GEOMETRY.
func (c *call) conv(g backend.Conv, n int) *call {
	return c.ints(n, g.In, g.Out, g.H, g.W, g.OH(), g.OW(), g.Kernel, g.Stride, g.Padding, g.Channels()-g.In)
}

// list adds a list of numbers of the samples, or none, and the number of all.
func (c *call) list(l list) *call { return c.span(l.each).float(l.all) }

// launch starts the kernel on a grid of blocks; an empty grid does nothing.
func (c *call) launch(x, y, z, threads int) {
	if c.be.err != nil || x == 0 || y == 0 || z == 0 {
		return
	}
	if err := c.be.dev.launch(c.kernel, [3]int{x, y, z}, threads, c.arguments, c.lengths); err != nil {
		c.be.fail(fmt.Errorf("cuda: kernel %s: %w", c.kernel, err))
	}
}

// each starts the kernel on n elements, several to a thread where there are many.
func (c *call) each(n int) {
	c.launch(min(ceil(n, blockThreads), 8*wantedBlocks), 1, 1, blockThreads)
}

// ceil is a / b rounded up.
func ceil(a, b int) int { return (a + b - 1) / b }

// list is a number for each sample in device memory, or one for all.
type list struct {
	each span
	all  float64
}

// upload brings a list with one element, or one for each of n samples, to the device: to arena memory.
func (be *Backend) upload(values []float64, n int) list {
	if len(values) == 1 {
		return list{all: values[0]}
	}
	mustMatch(len(values), n)
	l := list{each: be.take(n)}
	be.write(l.each, be.singles(values))
	return l
}

// singles are the values in single precision, until the next call.
func (be *Backend) singles(values []float64) []float32 {
	single := be.scratch(len(values))
	for i, v := range values {
		single[i] = float32(v)
	}
	return single
}

// scratch is host memory for n numbers, until the next call.
func (be *Backend) scratch(n int) []float32 {
	if cap(be.host) < n {
		be.host = make([]float32, n)
	}
	return be.host[:n]
}
