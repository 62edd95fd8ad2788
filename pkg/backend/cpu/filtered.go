package cpu

// filtered is a convolution by minimal filtering, forward or backward. Its units are groups of tiles of one kind: their transformed inputs and products stay in a thread's cache while the planes of the
// weight pass by once.
type filtered struct {
	kernels  *kernels
	plan     *filterPlan
	weight   []float32 // as filterPacking writes it
	src, dst []float32
	image    []float32 // [OH, OW, Out], or nil, as backward
	zeros    []float32 // a pixel outside
	blocks   int
	scratch  []float32 // of each thread
	parts    int
}

// groupTiles is the number of tiles of a group.
const groupTiles = 2

// filter runs the convolution src -> dst of so many blocks; image may be nil.
func (be *Backend) filter(plan *filterPlan, dst, weight, src, image []float32, blocks int) {
	mark := be.Mark()
	be.filtered = filtered{kernels: be.kernels, plan: plan, weight: weight, src: src, dst: dst, image: image, blocks: blocks,
		zeros: be.arena.take(plan.from.channels * lanes)}
	f := &be.filtered
	clear(f.zeros)
	f.scratch = be.arena.take(len(be.pool.workers) * f.room())
	groups, cost := 0, 0
	for i := range plan.kinds {
		groups += f.groups(&plan.kinds[i])
		cost += plan.kinds[i].products() * len(plan.kinds[i].tiles)
	}
	f.parts = be.pool.partsFor(groups, cost*blocks*plan.from.rows()*plan.to.rows())
	be.pool.run(f, f.parts)
	be.Release(mark)
}

// groups is the number of groups of a kind; its tiles are counted block by block.
func (f *filtered) groups(kind *filterKind) int {
	return (f.blocks*len(kind.tiles) + groupTiles - 1) / groupTiles
}

// dataPlane and productPlane are the distances of the places of a group: not a power of two, for the caches' sake.
func (f *filtered) dataPlane() int    { return (groupTiles*f.plan.from.rows() + 1) * lanes }
func (f *filtered) productPlane() int { return (groupTiles*f.plan.to.rows() + 1) * lanes }

// room is what a thread needs: the middle of a nest, a pixel of rubbish, data and products of a group.
func (f *filtered) room() int {
	return middleFloats + f.plan.to.channels*lanes + maxProducts*maxProducts*(f.dataPlane()+f.productPlane())
}

func (f *filtered) part(i int, w *worker) {
	total := 0
	for k := range f.plan.kinds {
		total += f.groups(&f.plan.kinds[k])
	}
	first, last := share(total, i, f.parts)
	for k := range f.plan.kinds {
		kind := &f.plan.kinds[k]
		count := f.groups(kind)
		for group := max(first, 0); group < min(last, count); group++ {
			f.group(w, kind, group*groupTiles)
		}
		first, last = first-count, last-count
	}
}

// group computes a group of tiles from the given one on.
func (f *filtered) group(w *worker, kind *filterKind, first int) {
	steps, rows, places := f.plan.from.rows(), f.plan.to.rows(), kind.products()
	scratch := f.scratch[w.number*f.room():][:f.room()]
	middle, scratch := scratch[:middleFloats], scratch[middleFloats:]
	rubbish, scratch := scratch[:f.plan.to.channels*lanes], scratch[f.plan.to.channels*lanes:]
	data, products := scratch[:places*f.dataPlane()], scratch[places*f.dataPlane():]
	count := min(groupTiles, f.blocks*len(kind.tiles)-first)
	for n := range count {
		f.readTile(w, kind, first+n, data[n*steps*lanes:], middle)
	}
	size := f.plan.plane()
	for place := range places {
		p := product{kernels: f.kernels, plan: &f.plan.matrix, a: f.weight[(kind.first+place)*size:][:size],
			b: data[place*f.dataPlane():], blockB: steps * lanes, dst: products[place*f.productPlane():], stride: lanes,
			column: rows * lanes, columns: count, groups: 1, ranges: 1}
		p.part(0, w)
	}
	for n := range count {
		f.writeTile(w, kind, first+n, products[n*rows*lanes:], middle, rubbish)
	}
}

// readTile transforms the inputs of a tile, phase by phase.
func (f *filtered) readTile(w *worker, kind *filterKind, tile int, data, middle []float32) {
	n, from := kind.dataNest(f.kernels), &f.plan.from
	block, first := tile/len(kind.tiles), kind.tiles[tile%len(kind.tiles)]
	for phase := range from.phases * from.phases {
		from.read(&n, &w.nest, first, phase, f.src[block*from.size()*lanes:], f.zeros)
		for i := range n.outputRows {
			for j := range n.outputColumns {
				n.get(&w.nest, i, j, &data[(i*n.outputColumns+j)*f.dataPlane()+phase*from.channels*lanes])
			}
		}
		n.apply(&w.nest, middle, from.channels)
	}
}

// writeTile transforms the products of a tile to outputs, phase by phase.
func (f *filtered) writeTile(w *worker, kind *filterKind, tile int, products, middle, rubbish []float32) {
	n, to := kind.outputNest(f.kernels, f.image != nil), &f.plan.to
	block, first := tile/len(kind.tiles), kind.tiles[tile%len(kind.tiles)]
	for phase := range to.phases * to.phases {
		for i := range n.rows {
			for j := range n.columns {
				n.put(&w.nest, i, j, &products[(i*n.columns+j)*f.productPlane()+phase*to.channels*lanes])
			}
		}
		to.write(&n, &w.nest, first, phase, f.dst[block*to.size()*lanes:], rubbish)
		for k := 0; f.image != nil && k < n.outputRows*n.outputColumns; k++ {
			i, j := k/n.outputColumns, k%n.outputColumns
			n.add(&w.nest, i, j, &f.image[to.at(first.h+i, first.w+j, phase)])
		}
		n.apply(&w.nest, middle, to.channels)
	}
}
