package cpu

import "odepipe/pkg/tensor"

// filterGrad is the weight gradient by minimal filtering. At each place of the tiles, which are of one kind,
//
//	du[o][c] = sum over tiles and lanes of (A dy A^T)[tile][o][lane] (B^T x B)[tile][c][lane],   dw = G^T du G
//
// c standing for a phase and a channel of x. A round of tiles is transformed, then multiplied place by place; after the last
// round the sums are transformed back as they lie, tile by tile of the dot kernel. Every sum belongs to one part, so results do not depend on the number of threads.
type filterGrad struct {
	kernels *kernels
	plan    *filterPlan
	kind    *filterKind
	dy, x   []float32
	samples int
	dw      []float32
	zeros   []float32 // a pixel outside
	a, b    []float32 // cotangents and data [place][tile of the round][channels and padding][16]
	sums    []float32 // [place][tile of sums][dotRows][dotPad]
	scratch []float32 // of each thread: the middle of a nest, and taps [9][dotRows][dotPad]
	round   run       // of tiles
	whole   span      // the round, for the dot kernel
	first   int       // tile of the round
	stage   int
	parts   int
}

// Values of filterGrad.stage.
const (
	gradTransform = iota
	gradMultiply
	gradReturn
)

// roundTiles is the number of tiles in a round: enough for the sums in registers to be worth their start and end.
const roundTiles = 16

// gradTiles is the number of tiles below which the way back of the sums takes longer than the filtering spares.
const gradTiles = 24

// filtersGrad says whether the gradient of so many samples is computed by a plan, which may be nil.
func filtersGrad(plan *filterPlan, samples int) bool {
	return plan != nil && blocks(samples)*len(plan.kinds[0].tiles) >= gradTiles
}

// gradFilter writes the gradient of the channels of x into dw.
func (be *Backend) gradFilter(plan *filterPlan, dw []float32, dy, x tensor.T) {
	mark := be.Mark()
	be.filterGrad = filterGrad{kernels: be.kernels, plan: plan, kind: &plan.kinds[0], dy: floats(dy), x: floats(x), samples: x.N,
		dw: dw, whole: span{0, 1}}
	f := &be.filterGrad
	f.zeros = be.arena.take(max(plan.from.channels, plan.to.channels) * lanes)
	f.a = be.arena.take(plan.products * roundTiles * f.rowsA() * lanes)
	f.b = be.arena.take(plan.products * roundTiles * f.rowsB() * lanes)
	f.sums = be.arena.take(plan.products * f.sumPlane())
	f.scratch = be.arena.take(len(be.pool.workers) * f.room())
	clear(f.zeros)
	clear(f.sums)
	for tiles := blocks(f.samples) * len(f.kind.tiles); f.first < tiles; f.first += roundTiles {
		f.round.n = min(roundTiles, tiles-f.first)
		f.run(be.pool, gradTransform, f.round.n)
		f.run(be.pool, gradMultiply, plan.products)
	}
	f.run(be.pool, gradReturn, f.sumRows())
	be.Release(mark)
}

// run runs a stage of so many units.
func (f *filterGrad) run(p *pool, stage, units int) {
	f.stage = stage
	f.parts = p.partsFor(units, units*f.plan.products*f.plan.from.rows()*f.plan.to.rows()/4)
	p.run(f, f.parts)
}

// rowsA and rowsB are the rows of a tile of cotangents or data and at least one row more, in whole panels of the dot
// kernel: tiles do not lie a power of two apart, for the caches' sake.
func (f *filterGrad) rowsA() int { return (f.plan.to.rows()/f.kernels.dotRows + 1) * f.kernels.dotRows }
func (f *filterGrad) rowsB() int {
	return (f.plan.from.rows()/f.kernels.dotColumns + 1) * f.kernels.dotColumns
}

// sumTile is the size of a tile of sums; sumRows and sumColumns are the numbers of tiles along o and c.
func (f *filterGrad) sumTile() int { return f.kernels.dotRows * dotPad }
func (f *filterGrad) sumRows() int {
	return (f.plan.to.rows() + f.kernels.dotRows - 1) / f.kernels.dotRows
}
func (f *filterGrad) sumColumns() int {
	return (f.plan.from.rows() + f.kernels.dotColumns - 1) / f.kernels.dotColumns
}
func (f *filterGrad) sumRow() int   { return f.sumColumns() * f.sumTile() }
func (f *filterGrad) sumPlane() int { return f.sumRows() * f.sumRow() }

// room is what a thread needs.
func (f *filterGrad) room() int { return middleFloats + f.plan.window()*f.sumRow() }

func (f *filterGrad) part(i int, w *worker) {
	middle, gradients := f.scratch[w.number*f.room():][:middleFloats], f.scratch[w.number*f.room()+middleFloats:]
	switch f.stage {
	case gradTransform:
		for n, last := share(f.round.n, i, f.parts); n < last; n++ {
			f.transform(w, n, middle)
		}
	case gradMultiply:
		for place, last := share(f.plan.products, i, f.parts); place < last; place++ {
			f.multiply(w, place)
		}
	case gradReturn:
		for row, last := share(f.sumRows(), i, f.parts); row < last; row++ {
			f.store(w, row, middle, gradients)
		}
	}
}

// transform writes the cotangents and, phase by phase, the data of tile n of the round.
func (f *filterGrad) transform(w *worker, n int, middle []float32) {
	from, to, tile := &f.plan.from, &f.plan.to, f.first+n
	block, first := tile/len(f.kind.tiles), f.kind.tiles[tile%len(f.kind.tiles)]
	used := min(lanes, f.samples-block*lanes)

	cotangents := f.kind.cotangentNest(f.kernels)
	to.read(&cotangents, &w.nest, first, 0, f.dy[block*to.size()*lanes:], f.zeros)
	f.spread(w, &cotangents, f.a[n*f.rowsA()*lanes:], roundTiles*f.rowsA()*lanes, to.channels, used, middle)

	data := f.kind.dataNest(f.kernels)
	for phase := range from.phases * from.phases {
		from.read(&data, &w.nest, first, phase, f.x[block*from.size()*lanes:], f.zeros)
		dst := f.b[(n*f.rowsB()+phase*from.channels)*lanes:]
		f.spread(w, &data, dst, roundTiles*f.rowsB()*lanes, from.channels, used, middle)
	}
}

// spread applies a nest to so many channels, its outputs being planes of dst, and clears the lanes that hold no sample.
func (f *filterGrad) spread(w *worker, n *nest, dst []float32, plane, channels, used int, middle []float32) {
	for i := range n.outputRows {
		for j := range n.outputColumns {
			n.get(&w.nest, i, j, &dst[(i*n.outputColumns+j)*plane])
		}
	}
	n.apply(&w.nest, middle, channels)
	for place := 0; used < lanes && place < n.outputRows*n.outputColumns; place++ {
		for c := range channels {
			clear(dst[place*plane+c*lanes:][used:lanes])
		}
	}
}

// stripRows is the number of panels of cotangents that stay in the first-level cache while all panels of data pass by.
const stripRows = 4

// multiply adds the products of a place to its sums.
func (f *filterGrad) multiply(w *worker, place int) {
	k := f.kernels
	a := f.a[place*roundTiles*f.rowsA()*lanes:]
	b := f.b[place*roundTiles*f.rowsB()*lanes:]
	w.dot = dotCall{stepA: f.rowsA() / k.dotRows, stepB: f.rowsB() / k.dotColumns, runs: &f.round, spans: &f.whole, count: 1}
	for strip := 0; strip < f.sumRows(); strip += stripRows {
		for j := range f.sumColumns() {
			w.dot.b = &b[j*k.dotColumns*lanes]
			for i := strip; i < min(strip+stripRows, f.sumRows()); i++ {
				w.dot.a = &a[i*k.dotRows*lanes]
				w.dot.sum = &f.sums[place*f.sumPlane()+i*f.sumRow()+j*f.sumTile()]
				k.dot(&w.dot)
			}
		}
	}
}

// store transforms a row of tiles of sums back and writes it to its place.
func (f *filterGrad) store(w *worker, row int, middle, gradients []float32) {
	n, k, taps := f.kind.gradientNest(f.kernels), f.kernels, f.plan.taps
	for i := range n.rows {
		for j := range n.columns {
			n.put(&w.nest, i, j, &f.sums[(i*n.columns+j)*f.sumPlane()+row*f.sumRow()])
		}
	}
	for tap := range taps * taps {
		n.get(&w.nest, tap/taps, tap%taps, &gradients[tap*f.sumRow()])
	}
	n.apply(&w.nest, middle, f.sumRow()/lanes)
	first, x := row*k.dotRows, &f.plan.from
	for o := first; o < min(first+k.dotRows, f.plan.to.channels); o++ {
		for column := range x.rows() {
			phase, c := column/x.channels, column%x.channels
			dst := f.dw[f.plan.weightAt(x, o, c):]
			at := column/k.dotColumns*f.sumTile() + (o-first)*dotPad + column%k.dotColumns
			for tap := range taps * taps {
				dst[f.plan.tapAt(x, phase, tap)] = gradients[tap*f.sumRow()+at]
			}
		}
	}
}
