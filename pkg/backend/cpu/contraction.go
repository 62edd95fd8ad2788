package cpu

import (
	"unsafe"

	"odepipe/pkg/backend"
	"odepipe/pkg/tensor"
)

// dotCall is the argument of the dot kernel, over panels a [position][dotRows][16] and b [position][dotColumns][16]: for
// t < count
//
//	sum[t][i][j] += sum over the runs of spans[t], n, lanes of a[run.a + n stepA][i][lane] b[run.b + n stepB][j][lane]
//
// sum is [count][dotRows][dotPad]. The assembly knows the offsets.
type dotCall struct {
	sum          *float32
	a, b         *float32
	stepA, stepB int
	runs         *run
	spans        *span
	count        int
}

// dotPad is the distance of the rows of a tile of sums.
const dotPad = 8

// panels rearranges a batch [block][position][channels][16] into dst [group][block][position][width][16], a group
// being so many channels that a tile of the dot kernel takes; missing channels and samples are 0.
type panels struct {
	dst, src  []float32
	width     int
	channels  int
	positions int // of a block
	samples   int
	parts     int
}

// panelsOf rearranges x, whose blocks have so many positions, for groups of so many channels.
func (be *Backend) panelsOf(x tensor.T, channels, positions, width int) []float32 {
	groups := (channels + width - 1) / width
	size := groups * blocks(x.N) * positions * width * lanes
	dst := be.arena.take(size)
	parts := be.pool.partsFor(groups, size/4)
	be.panels = panels{dst: dst, src: floats(x), width: width, channels: channels, positions: positions, samples: x.N, parts: parts}
	be.pool.run(&be.panels, parts)
	return dst
}

func (p *panels) part(i int, _ *worker) {
	rows := blocks(p.samples) * p.positions
	row := p.width * lanes
	first, last := share((p.channels+p.width-1)/p.width, i, p.parts)
	for group := first; group < last; group++ {
		panel := p.dst[group*rows*row:][:rows*row]
		used := min(p.width, p.channels-group*p.width) * lanes
		for r := 0; r < rows; r++ {
			n := copy(panel[r*row:][:used], p.src[(r*p.channels+group*p.width)*lanes:])
			clear(panel[r*row+n:][:row-n])
		}
		if valid := p.samples % lanes; valid > 0 {
			for at := (rows - p.positions) * row; at < len(panel); at += lanes {
				clear(panel[at+valid : at+lanes])
			}
		}
	}
}

// contraction computes the tiles of all contractions of a plan, summed over the blocks in order, and writes sum_t[i][j]
// to dst[i strideA + j strideB + t strideT]. A symmetric contraction is computed for j >= i and mirrored.
type contraction struct {
	kernels                   *kernels
	plan                      *dotPlan
	a, b                      []float32 // panels
	rows, columns             int
	blocks                    int
	dst                       []float32
	strideA, strideB, strideT int

	strip int       // tiles that share one pass over the blocks
	sums  []float32 // [thread][tile of the strip][contraction][dotRows][dotPad]
	parts int
}

// stripFloats bounds the sums of a strip, so that they stay in the second-level cache beside the panels.
const stripFloats = 32 << 10

// contractAll runs the contraction that be.contract describes between x and y; the plan fits their images.
func (be *Backend) contractAll(plan *dotPlan, x, y tensor.T) {
	mark := be.Mark()
	c, k := &be.contract, be.kernels
	c.kernels, c.plan, c.blocks = k, plan, blocks(x.N)
	c.a = be.panelsOf(x, c.rows, plan.sizeA, k.dotRows)
	c.b = be.panelsOf(y, c.columns, plan.sizeB, k.dotColumns)
	tiles := c.tileRows() * c.tileColumns()
	c.strip = min(tiles, max(1, stripFloats/max(1, c.tileFloats())))
	c.sums = be.arena.take(len(be.pool.workers) * c.strip * c.tileFloats())
	c.parts = be.pool.partsFor(tiles, tiles*c.blocks*plan.count*plan.sizeA*16)
	be.pool.run(c, c.parts)
	be.Release(mark)
}

func (c *contraction) tileRows() int { return (c.rows + c.kernels.dotRows - 1) / c.kernels.dotRows }
func (c *contraction) tileColumns() int {
	return (c.columns + c.kernels.dotColumns - 1) / c.kernels.dotColumns
}
func (c *contraction) tileFloats() int { return c.plan.count * c.kernels.dotRows * dotPad }

func (c *contraction) part(i int, w *worker) {
	room := c.strip * c.tileFloats()
	sums := c.sums[w.number*room:][:room]
	first, last := share(c.tileRows()*c.tileColumns(), i, c.parts)
	for ; first < last; first += c.strip {
		end := min(first+c.strip, last)
		clear(sums)
		for block := 0; block < c.blocks; block++ {
			for chunk := 0; chunk < len(c.plan.chunks); chunk += c.plan.count {
				for tile := first; tile < end; tile++ {
					c.accumulate(&w.dot, sums[(tile-first)*c.tileFloats():], block, chunk, tile%c.tileRows(), tile/c.tileRows())
				}
			}
		}
		for tile := first; tile < end; tile++ {
			c.store(sums[(tile-first)*c.tileFloats():], tile%c.tileRows(), tile/c.tileRows())
		}
	}
}

// accumulate adds one chunk of one block to the sums of tile (i, j). A tile below the diagonal skips the symmetric contractions.
func (c *contraction) accumulate(call *dotCall, sums []float32, block, chunk, i, j int) {
	first := 0
	if (j+1)*c.kernels.dotColumns <= i*c.kernels.dotRows {
		first = c.plan.symmetric
	}
	call.count = c.plan.count - first
	if call.count == 0 {
		return
	}
	call.a = &c.a[(i*c.blocks+block)*c.plan.sizeA*c.kernels.dotRows*lanes]
	call.b = &c.b[(j*c.blocks+block)*c.plan.sizeB*c.kernels.dotColumns*lanes]
	call.stepA, call.stepB = c.plan.stepA, c.plan.stepB
	call.runs, call.spans = unsafe.SliceData(c.plan.runs), &c.plan.chunks[chunk+first]
	call.sum = &sums[first*c.kernels.dotRows*dotPad]
	c.kernels.dot(call)
}

// store writes tile (i, j) of all contractions to its place.
func (c *contraction) store(sums []float32, i, j int) {
	firstRow, firstColumn := i*c.kernels.dotRows, j*c.kernels.dotColumns
	lastColumn := min(firstColumn+c.kernels.dotColumns, c.columns)
	for row := firstRow; row < min(firstRow+c.kernels.dotRows, c.rows); row++ {
		for t := 0; t < c.plan.count; t++ {
			sum := sums[(t*c.kernels.dotRows+row-firstRow)*dotPad:]
			for column := firstColumn; column < lastColumn; column++ {
				if v := sum[column-firstColumn]; t >= c.plan.symmetric {
					c.dst[row*c.strideA+column*c.strideB+t*c.strideT] = v
				} else if column >= row {
					c.dst[row*c.strideA+column*c.strideB+t*c.strideT] = v
					c.dst[column*c.strideA+row*c.strideB+t*c.strideT] = v
				}
			}
		}
	}
}

// ConvGrad writes dw = sum_n dy (x) patches of x, and leaves the time channel of dw alone.
func (be *Backend) ConvGrad(dw tensor.T, g backend.Conv, dy, x tensor.T) {
	if dy.N != x.N || x.Shape.Size() != g.In*g.H*g.W || dy.Shape.Size() != g.Out*g.OH()*g.OW() || dw.Shape.Size() != g.Out*g.FanIn() {
		panic("cpu: tensors do not fit the convolution")
	}
	window := g.Kernel * g.Kernel
	dst := floats(dw)[(g.Channels()-g.In)*window:]
	if onePixel(g) {
		be.outer(dst, g.FanIn(), dy, x, false)
		return
	}
	plans := be.planOf(g)
	if filtersGrad(plans.filterGrad, x.N) {
		be.gradFilter(plans.filterGrad, floats(dw), dy, x)
		return
	}
	if plans.grad == nil {
		plans.grad = planGrad(g)
	}
	be.contract = contraction{rows: g.Out, columns: g.In, dst: dst, strideA: g.FanIn(), strideB: window, strideT: 1}
	be.contractAll(plans.grad, dy, x)
}

// onePixel says whether the map is a linear layer: one tap, one pixel.
func onePixel(g backend.Conv) bool { return g.Kernel == 1 && g.H*g.W == 1 && g.Padding == 0 }
