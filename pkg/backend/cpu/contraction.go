package cpu

import (
	"odepipe/pkg/backend"
	"odepipe/pkg/tensor"
)

// dotCall is the argument of the dot kernel, over panels a [position][dotRows][16] and b [position][dotColumns][16]:
//
//	sum[i dotPad + j] += sum over runs, n, lanes of a[run.a + n stepA][i][lane] b[run.b + n stepB][j][lane]
//
// The assembly knows the offsets.
type dotCall struct {
	sum          *float32
	a, b         *float32
	stepA, stepB int
	runs         *run
	count        int // of runs
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

	sums  []float32 // [thread][contraction][dotRows][dotPad]
	parts int
}

// contractAll runs the contraction that be.contract describes, between x and y with so many channels each.
func (be *Backend) contractAll(plan *dotPlan, x, y tensor.T, blocks int) {
	mark := be.Mark()
	c, k := &be.contract, be.kernels
	c.kernels, c.plan, c.blocks = k, plan, blocks
	c.a = be.panelsOf(x, c.rows, x.Shape.Size()/c.rows, k.dotRows)
	c.b = be.panelsOf(y, c.columns, y.Shape.Size()/c.columns, k.dotColumns)
	c.sums = be.arena.take(len(be.pool.workers) * plan.count * k.dotRows * dotPad)
	tiles := c.tileRows() * c.tileColumns()
	c.parts = be.pool.partsFor(tiles, tiles*blocks*plan.count*plan.sizeA*16)
	be.pool.run(c, c.parts)
	be.Release(mark)
}

func (c *contraction) tileRows() int { return (c.rows + c.kernels.dotRows - 1) / c.kernels.dotRows }
func (c *contraction) tileColumns() int {
	return (c.columns + c.kernels.dotColumns - 1) / c.kernels.dotColumns
}

func (c *contraction) part(i int, w *worker) {
	size := c.plan.count * c.kernels.dotRows * dotPad
	sums := c.sums[w.number*size:][:size]
	first, last := share(c.tileRows()*c.tileColumns(), i, c.parts)
	for tile := first; tile < last; tile++ {
		i, j := tile/c.tileColumns(), tile%c.tileColumns()
		c.tile(&w.dot, sums, i, j)
		c.store(sums, i, j)
	}
}

// below says whether a tile of a symmetric contraction lies below the diagonal and need not be computed.
func (c *contraction) below(i, j int) bool { return (j+1)*c.kernels.dotColumns <= i*c.kernels.dotRows }

// tile computes tile (i, j) of all contractions.
func (c *contraction) tile(call *dotCall, sums []float32, i, j int) {
	clear(sums)
	below := c.below(i, j)
	panelA, panelB := c.plan.sizeA*c.kernels.dotRows*lanes, c.plan.sizeB*c.kernels.dotColumns*lanes
	call.stepA, call.stepB = c.plan.stepA, c.plan.stepB
	for block := 0; block < c.blocks; block++ {
		call.a, call.b = &c.a[(i*c.blocks+block)*panelA], &c.b[(j*c.blocks+block)*panelB]
		for k, runs := range c.plan.chunks {
			t := k % c.plan.count
			if runs.lo == runs.hi || below && c.plan.symmetric[t] {
				continue
			}
			call.runs, call.count = &c.plan.runs[runs.lo], runs.hi-runs.lo
			call.sum = &sums[t*c.kernels.dotRows*dotPad]
			c.kernels.dot(call)
		}
	}
}

// store writes tile (i, j) of all contractions to its place.
func (c *contraction) store(sums []float32, i, j int) {
	firstRow, firstColumn := i*c.kernels.dotRows, j*c.kernels.dotColumns
	lastColumn := min(firstColumn+c.kernels.dotColumns, c.columns)
	for row := firstRow; row < min(firstRow+c.kernels.dotRows, c.rows); row++ {
		for t := 0; t < c.plan.count; t++ {
			sum := sums[(t*c.kernels.dotRows+row-firstRow)*dotPad:]
			for column := firstColumn; column < lastColumn; column++ {
				if v := sum[column-firstColumn]; !c.plan.symmetric[t] {
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
	in, out := g.In*g.H*g.W, g.Out*g.OH()*g.OW()
	if dy.N != x.N || x.Shape.Size() != in || dy.Shape.Size() != out || dw.Shape.Size() != g.Out*g.FanIn() {
		panic("cpu: tensors do not fit the convolution")
	}
	plans := be.planOf(g)
	if plans.grad == nil {
		plans.grad = planGrad(g)
	}
	plan, count := plans.grad, blocks(x.N)
	if g.Kernel == 1 && in == g.In && out == g.Out { // a linear layer: the blocks are the positions
		plan, count = &be.linear, 1
		plan.planPairs(blocks(x.N), false)
	}
	window := g.Kernel * g.Kernel
	be.contract = contraction{rows: g.Out, columns: g.In,
		dst: floats(dw)[(g.Channels()-g.In)*window:], strideA: g.FanIn(), strideB: window, strideT: 1}
	be.contractAll(plan, dy, x, count)
}
