package cpu

// filterPacking writes the transformed weight of a filterPlan, planes [kind][place][tile][step][row of the tile], as the tile
// kernel reads them. It lays the taps out as such planes first and transforms these element by element.
type filterPacking struct {
	kernels *kernels
	plan    *filterPlan
	w       []float32 // the layer's weight
	taps    []float32 // [tap of a phase] planes
	dst     []float32
	middle  []float32 // of each thread
	laidOut bool      // the stage: laying out by tiles, then transforming by rows of lanes
	parts   int
}

// packFilter is pack for a convolution by minimal filtering.
func (be *Backend) packFilter(plan *filterPlan, w []float32) []float32 {
	size := plan.plane()
	dst := be.arena.take(plan.products * size)
	mark := be.Mark()
	be.filterPacking = filterPacking{kernels: be.kernels, plan: plan, w: w, dst: dst,
		taps: be.arena.take(plan.window() * size), middle: be.arena.take(len(be.pool.workers) * middleFloats)}
	p := &be.filterPacking
	p.parts = be.pool.partsFor(be.kernels.tiles(plan.to.rows()), 4*plan.window()*size)
	be.pool.run(p, p.parts)
	p.laidOut = true
	p.parts = be.pool.partsFor(size/lanes, 4*plan.products*size/lanes)
	be.pool.run(p, p.parts)
	be.Release(mark)
	return dst
}

func (p *filterPacking) part(i int, w *worker) {
	if p.laidOut {
		first, last := share(p.plan.plane()/lanes, i, p.parts)
		p.transform(w, first*lanes, last-first)
		return
	}
	tiles := p.kernels.tiles(p.plan.to.rows())
	for tile, end := share(tiles, i, p.parts); tile < end; tile++ {
		lo, hi := share(p.plan.to.rows(), tile, tiles)
		if p.plan.backward {
			p.inputRows(lo, hi)
		} else {
			p.outputRows(lo, hi)
		}
	}
}

// outputRows lays out rows lo..hi, output channels, of all taps; the steps are the phases and channels of x.
func (p *filterPacking) outputRows(lo, hi int) {
	size, x := p.plan.plane(), &p.plan.from
	for step := range x.rows() {
		phase, c := step/x.channels, step%x.channels
		for tap := range p.plan.window() {
			dst, from := p.taps[tap*size+lo*x.rows()+step*(hi-lo):][:hi-lo], p.plan.tapAt(x, phase, tap)
			for i := range dst {
				dst[i] = p.w[p.plan.weightAt(x, lo+i, c)+from]
			}
		}
	}
}

// inputRows lays out rows lo..hi, phases and channels of x, of all taps, turned; the steps are the output channels.
func (p *filterPacking) inputRows(lo, hi int) {
	size, x, out, window := p.plan.plane(), &p.plan.to, p.plan.from.channels, p.plan.window()
	for row := lo; row < hi; row++ {
		phase, c := row/x.channels, row%x.channels
		for tap := range window {
			dst, from := p.taps[tap*size+lo*out+row-lo:], p.plan.tapAt(x, phase, window-1-tap)
			for o := range out {
				dst[o*(hi-lo)] = p.w[p.plan.weightAt(x, o, c)+from]
			}
		}
	}
}

// transform writes so many rows of lanes, from a number on, of all planes.
func (p *filterPacking) transform(w *worker, from, rows int) {
	size := p.plan.plane()
	for i := range p.plan.kinds {
		kind := &p.plan.kinds[i]
		n := kind.weightNest(p.kernels)
		for u := range n.rows {
			for v := range n.columns {
				n.put(&w.nest, u, v, &p.taps[(u*n.columns+v)*size+from])
			}
		}
		for u := range n.outputRows {
			for v := range n.outputColumns {
				n.get(&w.nest, u, v, &p.dst[(kind.first+u*n.outputColumns+v)*size+from])
			}
		}
		n.apply(&w.nest, p.middle[w.number*middleFloats:][:middleFloats], rows)
	}
}
