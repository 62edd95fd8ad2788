package cpu

import (
	"odepipe/pkg/backend"
	"odepipe/pkg/backend/cpu/toomcook"
)

// filterPlan is a convolution by minimal filtering (Lavin and Gray 2016), or its transpose, which takes dy to dx. With stride S
// and S r taps a side, r = 2 or 3, it is the sum of S^2 convolutions of stride 1 with r x r taps, one of each phase of x. The
// output is cut into tiles of 2 to 4 pixels a side, F(m, r) along one axis nested in F(n, r) along the other:
//
//	y = A^T [ sum over phases of (G w G^T) . (B^T x B) ] A
//
// The products at each of the (m+r-1)(n+r-1) places of a tile, summed over phases and channels, are products of matrices
// [Out, S^2 In] and [S^2 In, 16]; for dx [S^2 In, Out] and [Out, 16]. Fewer multiplications are paid with rounding errors. In
// float32 with 64 channels of normal numbers, relative to the largest output, they are below 1e-6 with F(2, 3) alone and
// below 5e-6 with the others, where the direct form has 3e-7 and a solver's rtol is 1e-3. F(6, 3) has 1.2e-5, too near to it.
type filterPlan struct {
	taps     int // r
	time     int // channels of the weight before those of x
	backward bool
	from, to side
	kinds    []filterKind
	products int      // of all kinds: the planes of the transformed weight
	matrix   tilePlan // rows of to, steps of from
}

// filterKind is the tiles of one size.
type filterKind struct {
	rows, columns int        // numbers of the filters along h and w, in toomcook.Filters
	tiles         []position // the first of each
	first         int        // of the planes
}

// size is the number of pixels along h and w of a tile.
func (k *filterKind) size() (rows, columns int) {
	return toomcook.Filters[k.rows].Size, toomcook.Filters[k.columns].Size
}

// places is the number of products along h and w.
func (k *filterKind) places() (rows, columns int) {
	return toomcook.Filters[k.rows].Products(), toomcook.Filters[k.columns].Products()
}

// products is the number of products of a tile.
func (k *filterKind) products() int {
	rows, columns := k.places()
	return rows * columns
}

// planFilter makes the plan of a map, with tiles of one size or of any, nil where the direct form is as good. direct is the
// cost of that: multiply-adds of one lane.
func planFilter(g backend.Conv, backward, uniform bool, direct int) *filterPlan {
	taps := g.Kernel / g.Stride
	if g.Kernel%g.Stride != 0 || g.Padding >= g.Kernel || toomcook.Number(toomcook.Smallest, taps) < 0 {
		return nil
	}
	p := &filterPlan{taps: taps, time: g.Channels() - g.In, backward: backward,
		from: side{height: g.H, width: g.W, channels: g.In, phases: g.Stride, offset: -g.Padding},
		to:   side{height: g.OH(), width: g.OW(), channels: g.Out, phases: 1}}
	if backward {
		p.from, p.to = p.to, p.from
		p.from.offset = 1 - taps
	}
	rows, columns := p.to.positions(p.to.height), p.to.positions(p.to.width)
	if min(rows.hi-rows.lo, columns.hi-columns.lo) < toomcook.Smallest {
		return nil
	}
	p.matrix.planMatrix(p.to.rows(), p.from.rows())
	cost := 0
	for _, h := range cover(rows, uniform) {
		for _, w := range cover(columns, uniform) {
			kind := p.kindOf(h.hi-h.lo, w.hi-w.lo)
			kind.tiles = append(kind.tiles, position{h.lo, w.lo})
			cost += kind.products() * (p.from.rows()*p.to.rows() + transformCost*(p.from.rows()+p.to.rows()))
		}
	}
	if cost*10 > direct*9 {
		return nil
	}
	return p
}

// transformCost is what the transforms of a row of lanes cost for each product, in multiply-adds of the products, as measured.
const transformCost = 11

// cover cuts a range of positions into the fewest tiles, of nearly equal sizes or of one size, which may reach beyond the last
// position.
func cover(positions span, uniform bool) []span {
	total := positions.hi - positions.lo
	count := (total + toomcook.Largest - 1) / toomcook.Largest
	var tiles []span
	for i := range count {
		lo, hi := share(total, i, count)
		if size := (total + count - 1) / count; uniform {
			lo, hi = i*size, (i+1)*size
		}
		tiles = append(tiles, span{positions.lo + lo, positions.lo + hi})
	}
	return tiles
}

// kindOf finds or adds the kind of tiles of a size.
func (p *filterPlan) kindOf(rows, columns int) *filterKind {
	kind := filterKind{rows: toomcook.Number(rows, p.taps), columns: toomcook.Number(columns, p.taps), first: p.products}
	for i := range p.kinds {
		if k := &p.kinds[i]; k.rows == kind.rows && k.columns == kind.columns {
			return k
		}
	}
	p.kinds = append(p.kinds, kind)
	p.products += kind.products()
	return &p.kinds[len(p.kinds)-1]
}

// window is the number of taps of a phase.
func (p *filterPlan) window() int { return p.taps * p.taps }

// plane is the size of a plane of the transformed weight, in whole rows.
func (p *filterPlan) plane() int { return blocks(p.from.rows()*p.to.rows()) * lanes }

// weightAt is the number in the layer's weight [Out, Channels, S r, S r] where that of output channel o and channel c of x begins,
// x being of the given side.
func (p *filterPlan) weightAt(x *side, o, c int) int {
	kernel := x.phases * p.taps
	return (o*(p.time+x.channels) + p.time + c) * kernel * kernel
}

// tapAt is the number, from there on, of a tap of a phase.
func (p *filterPlan) tapAt(x *side, phase, tap int) int {
	u, v := tap/p.taps*x.phases+phase/x.phases, tap%p.taps*x.phases+phase%x.phases
	return u*x.phases*p.taps + v
}

// dataNest is B^T x B.
func (k *filterKind) dataNest(kernels *kernels) nest {
	rows, columns := k.places()
	return nest{down: kernels.lines[k.rows].data, right: kernels.lines[k.columns].data,
		rows: rows, columns: columns, outputRows: rows, outputColumns: columns}
}

// outputNest is A^T m A, plus an image if there is one.
func (k *filterKind) outputNest(kernels *kernels, image bool) nest {
	rows, columns := k.places()
	outputRows, outputColumns := k.size()
	n := nest{down: kernels.lines[k.rows].output, right: kernels.lines[k.columns].output,
		rows: rows, columns: columns, outputRows: outputRows, outputColumns: outputColumns}
	if image {
		n.right = kernels.lines[k.columns].image
	}
	return n
}

// weightNest is G w G^T.
func (k *filterKind) weightNest(kernels *kernels) nest {
	rows, columns := k.places()
	taps := toomcook.Filters[k.rows].Taps
	return nest{down: kernels.lines[k.rows].weight, right: kernels.lines[k.columns].weight,
		rows: taps, columns: taps, outputRows: rows, outputColumns: columns}
}

// cotangentNest is A dy A^T.
func (k *filterKind) cotangentNest(kernels *kernels) nest {
	rows, columns := k.size()
	outputRows, outputColumns := k.places()
	return nest{down: kernels.lines[k.rows].cotangent, right: kernels.lines[k.columns].cotangent,
		rows: rows, columns: columns, outputRows: outputRows, outputColumns: outputColumns}
}

// gradientNest is G^T du G.
func (k *filterKind) gradientNest(kernels *kernels) nest {
	rows, columns := k.places()
	taps := toomcook.Filters[k.rows].Taps
	return nest{down: kernels.lines[k.rows].gradient, right: kernels.lines[k.columns].gradient,
		rows: rows, columns: columns, outputRows: taps, outputColumns: taps}
}
