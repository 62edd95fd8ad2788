package cpu

import (
	"odepipe/pkg/backend"
	"odepipe/pkg/backend/cpu/toomcook"
)

// filterPlan is a 3x3 convolution of stride 1 by minimal filtering (Lavin and Gray 2016). The output is cut into tiles of
// 2 to 4 pixels a side, F(m, 3) along one axis nested in F(n, 3) along the other:
//
//	y = A^T [ (G w G^T) . (B^T x B) ] A
//
// The products at each of the (m+2)(n+2) places of a tile, summed over the channels, are products of matrices [Out, In] and
// [In, 16]. Fewer multiplications are paid with rounding errors. In float32 with 64 channels of normal numbers, relative
// to the largest output, they are below 1e-6 with F(2, 3) alone and below 5e-6 with F(3, 3) and F(4, 3), where the direct form
// has 3e-7 and a solver's rtol is 1e-3. F(6, 3) has 1.2e-5, too near to it.
type filterPlan struct {
	g        backend.Conv
	kinds    []filterKind
	products int      // of all kinds: the planes of the transformed weight
	matrix   tilePlan // Out rows, In steps
}

// filterKind is the tiles of one size.
type filterKind struct {
	rows, columns int // numbers of the filters along h and w, in toomcook.Filters
	tiles         []pixel
	first         int // of the planes
}

// pixel is the position of a pixel, which may lie in the padding.
type pixel struct{ h, w int }

// padded is the first pixel of the input under the output pixel p.
func (p pixel) padded(g backend.Conv) pixel { return pixel{p.h - g.Padding, p.w - g.Padding} }

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

// planFilter makes the plan of a geometry, with tiles of one size or of any, nil where the direct form is as good. direct is
// the cost of that: multiply-adds of one row and lane.
func planFilter(g backend.Conv, uniform bool, direct int) *filterPlan {
	if g.Kernel != toomcook.Taps || g.Stride != 1 || g.Padding >= g.Kernel || g.OH() < 2 || g.OW() < 2 {
		return nil
	}
	p := &filterPlan{g: g}
	p.matrix.planMatrix(g.Out, g.In)
	cost := 0
	for _, h := range cover(g.OH(), uniform) {
		for _, w := range cover(g.OW(), uniform) {
			kind := p.kindOf(h.hi-h.lo, w.hi-w.lo)
			kind.tiles = append(kind.tiles, pixel{h.lo, w.lo})
			cost += kind.products() * (g.In*g.Out + transformCost*(g.In+g.Out))
		}
	}
	if cost*10 > direct*g.Out*9 {
		return nil
	}
	return p
}

// window is the number of taps of the weight.
const window = toomcook.Taps * toomcook.Taps

// transformCost is what the transforms of a row of lanes cost for each product, in multiply-adds of the products, as measured.
const transformCost = 11

// cover cuts so many pixels into the fewest tiles, of nearly equal sizes, or of one size, which may reach beyond the last pixel.
func cover(pixels int, uniform bool) []span {
	largest := toomcook.Filters[len(toomcook.Filters)-1].Size
	count := (pixels + largest - 1) / largest
	tiles := make([]span, count)
	for i := range tiles {
		if size := (pixels + count - 1) / count; uniform {
			tiles[i] = span{i * size, (i + 1) * size}
		} else {
			tiles[i].lo, tiles[i].hi = share(pixels, i, count)
		}
	}
	return tiles
}

// kindOf finds or adds the kind of tiles of a size.
func (p *filterPlan) kindOf(rows, columns int) *filterKind {
	smallest := toomcook.Filters[0].Size
	for i := range p.kinds {
		if k := &p.kinds[i]; k.rows == rows-smallest && k.columns == columns-smallest {
			return k
		}
	}
	p.kinds = append(p.kinds, filterKind{rows: rows - smallest, columns: columns - smallest, first: p.products})
	kind := &p.kinds[len(p.kinds)-1]
	p.products += kind.products()
	return kind
}

// plane is the size of a plane of the transformed weight, in whole rows.
func (p *filterPlan) plane() int { return blocks(p.g.In*p.g.Out) * lanes }

// turned is the geometry of the map from dy to dx: the convolution with the transposed, turned weight.
func turned(g backend.Conv) backend.Conv {
	return backend.Conv{In: g.Out, Out: g.In, H: g.OH(), W: g.OW(), Kernel: g.Kernel, Stride: 1, Padding: g.Kernel - 1 - g.Padding}
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
	return nest{down: kernels.lines[k.rows].weight, right: kernels.lines[k.columns].weight,
		rows: toomcook.Taps, columns: toomcook.Taps, outputRows: rows, outputColumns: columns}
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
	return nest{down: kernels.lines[k.rows].gradient, right: kernels.lines[k.columns].gradient,
		rows: rows, columns: columns, outputRows: toomcook.Taps, outputColumns: toomcook.Taps}
}
