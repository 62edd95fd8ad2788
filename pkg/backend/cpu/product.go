package cpu

// tileCall is the argument of a tile kernel: for row r of the tile and lane l
//
//	dst[r stride + l] = start + sum over runs, i < n, of a[(a+i) rows + r] b[(b+i) 16 + l]
//
// start is 0, image[r], or what dst holds. Kernels are made for one number of rows each. The assembly knows the offsets.
type tileCall struct {
	dst    *float32
	stride int // floats
	a, b   *float32
	runs   *run
	count  int // of runs
	start  int
	image  *float32
}

// Values of tileCall.start.
const (
	fromZero = iota
	fromImage
	fromDst
)

// product computes columns of 16 lanes: column (block, pixel) is the plan's sum for that pixel over b's block. Its parts
// are rectangles of groups of tiles times ranges of columns.
type product struct {
	kernels *kernels
	plan    *tilePlan
	a, b    []float32
	blockB  int // floats of b to a block
	dst     []float32
	stride  int // floats of dst to a row
	column  int // floats of dst to a column
	image   []float32
	columns int
	edge    []float32 // if not nil, the last column goes here, with rows of 16 lanes
	alone   bool      // all parts stay on the caller
	upper   bool      // only tiles that touch dst[i][j], j >= i, are wanted, column c being j = 16 c ..

	groups, ranges int
}

// groupFloats bounds the part of a that all columns of a part of the job read again and again from the second-level cache.
const groupFloats = 40 << 10

// stripColumns is the number of columns that one chunk of a serves before the next is turned to.
const stripColumns = 16

// compute runs the product that be.product describes.
func (be *Backend) compute() {
	p := &be.product
	p.kernels = be.kernels
	if p.columns == 0 || p.plan.rows == 0 {
		return
	}
	tiles := p.kernels.tiles(p.plan.rows)
	parts := 1
	if !p.alone {
		parts = be.pool.partsFor(p.columns*tiles, p.plan.cost*(p.columns/len(p.plan.pixels))*p.plan.rows)
	}
	p.groups = min(tiles, 1+tiles*p.kernels.tileRows*min(p.plan.steps, maxSteps)/groupFloats)
	p.ranges = min(p.columns, (parts+p.groups-1)/p.groups)
	p.groups = min(tiles, max(p.groups, (parts+p.ranges-1)/p.ranges))
	be.pool.runIf(parts > 1, p, p.groups*p.ranges)
}

func (p *product) part(i int, w *worker) {
	tiles := p.kernels.tiles(p.plan.rows)
	firstTile, lastTile := share(tiles, i/p.ranges, p.groups)
	firstColumn, lastColumn := share(p.columns, i%p.ranges, p.ranges)
	for strip := firstColumn; strip < lastColumn; strip += stripColumns {
		for chunk := 0; chunk < p.plan.deepest; chunk++ {
			for c := strip; c < min(strip+stripColumns, lastColumn); c++ {
				p.chunkOf(&w.tile, chunk, c, firstTile, lastTile, tiles)
			}
		}
	}
}

// chunkOf adds one chunk of one column to the rows of some tiles.
func (p *product) chunkOf(call *tileCall, chunk, c, firstTile, lastTile, tiles int) {
	pixels := len(p.plan.pixels)
	block, pixel := c/pixels, c%pixels
	if chunk += p.plan.pixels[pixel].lo; chunk >= p.plan.pixels[pixel].hi {
		return
	}
	dst, stride := p.dst[c*p.column:], p.stride
	if p.edge != nil && c == p.columns-1 {
		dst, stride = p.edge, lanes
	}
	call.stride = stride
	call.start = fromDst
	if chunk == p.plan.pixels[pixel].lo {
		call.start = fromZero
		if p.image != nil {
			call.start = fromImage
		}
	}
	runs := p.plan.runs[p.plan.chunks[chunk].lo:p.plan.chunks[chunk].hi]
	if call.count = len(runs); call.count > 0 {
		call.runs, call.b = &runs[0], &p.b[block*p.blockB]
	}
	for tile := firstTile; tile < lastTile; tile++ {
		lo, hi := share(p.plan.rows, tile, tiles)
		if p.upper && lo >= (c+1)*lanes {
			break
		}
		call.dst = &dst[lo*stride]
		if call.count > 0 {
			call.a = &p.a[lo*p.plan.steps]
		}
		if call.start == fromImage {
			call.image = &p.image[pixel*p.plan.rows+lo]
		}
		p.kernels.tile[hi-lo](call)
	}
}
