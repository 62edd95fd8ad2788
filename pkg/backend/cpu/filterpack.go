package cpu

// filterPacking writes the transformed weight of a filterPlan, planes [kind][place][tile][In][row of the tile], as the tile
// kernel reads them. It lays the taps out as such planes first and transforms these element by element.
type filterPacking struct {
	kernels  *kernels
	plan     *filterPlan
	backward bool
	w        []float32 // the layer's weight, of its own geometry
	fanIn    int       // of that
	time     int       // channels of it before those of x
	taps     []float32 // [u][v] planes
	dst      []float32
	middle   []float32 // of each thread
	spread   bool      // the stage: laying out by tiles, or transforming by rows of lanes
	parts    int
}

// packFilter is pack for a convolution by minimal filtering; backward, the plan is that of the turned geometry.
func (be *Backend) packFilter(plan *filterPlan, backward bool, w []float32, fanIn, time int) []float32 {
	size := plan.plane()
	dst := be.arena.take(plan.products * size)
	mark := be.Mark()
	be.filterPacking = filterPacking{kernels: be.kernels, plan: plan, backward: backward, w: w, fanIn: fanIn, time: time, dst: dst,
		taps: be.arena.take(window * size), middle: be.arena.take(len(be.pool.workers) * middleFloats)}
	p := &be.filterPacking
	p.parts = be.pool.partsFor(be.kernels.tiles(plan.g.Out), 4*window*size)
	be.pool.run(p, p.parts)
	p.spread = true
	p.parts = be.pool.partsFor(size/lanes, 4*plan.products*size/lanes)
	be.pool.run(p, p.parts)
	be.Release(mark)
	return dst
}

func (p *filterPacking) part(i int, w *worker) {
	if p.spread {
		first, last := share(p.plan.plane()/lanes, i, p.parts)
		p.transform(w, first*lanes, last-first)
		return
	}
	tiles := p.kernels.tiles(p.plan.g.Out)
	for tile, end := share(tiles, i, p.parts); tile < end; tile++ {
		lo, hi := share(p.plan.g.Out, tile, tiles)
		p.layOut(lo, hi)
	}
}

// layOut writes rows lo..hi, which are a tile, of all taps.
func (p *filterPacking) layOut(lo, hi int) {
	size, in := p.plan.plane(), p.plan.g.In
	for row := lo; row < hi; row++ {
		for step := range in {
			o, c := row, step
			if p.backward {
				o, c = step, row
			}
			at := lo*in + step*(hi-lo) + row - lo
			for tap, v := range p.w[o*p.fanIn+(c+p.time)*window:][:window] {
				if p.backward {
					tap = window - 1 - tap
				}
				p.taps[tap*size+at] = v
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
