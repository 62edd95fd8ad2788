package cpu

import "odepipe/pkg/tensor"

// Gemm writes dst = op(a) op(b): a is packed as a weight, b in panels [column / 16][step][16], and the tile kernel
// does the rest.
func (be *Backend) Gemm(dst tensor.T, transA bool, a tensor.T, transB bool, b tensor.T) {
	m, k := matrix(a, transA)
	k2, n := matrix(b, transB)
	if k != k2 || dst.Shape.Size() != m*n {
		panic("cpu: matrices do not fit")
	}
	if m*n == 0 {
		return
	}
	mark := be.Mark()
	be.matrix.planMatrix(m, k)
	panels := (n + lanes - 1) / lanes
	packed := gemmPacking{kernels: be.kernels, m: m, k: k, n: n, a: floats(a), b: floats(b), transA: transA, transB: transB,
		packedA: be.arena.take(m * k), packedB: be.arena.take(panels * k * lanes)}
	packed.parts = be.pool.partsFor(be.kernels.tiles(m)+panels, (m*k+panels*k*lanes)*2)
	be.gemm = packed
	be.pool.run(&be.gemm, packed.parts)

	be.product = product{plan: &be.matrix, a: packed.packedA, b: packed.packedB, blockB: k * lanes,
		dst: floats(dst), stride: n, column: lanes, columns: panels}
	rest := n % lanes
	if rest > 0 {
		be.product.edge = be.arena.take(m * lanes)
	}
	be.compute()
	for row := 0; rest > 0 && row < m; row++ {
		copy(be.product.dst[(row+1)*n-rest:][:rest], be.product.edge[row*lanes:])
	}
	be.Release(mark)
}

// matrix is the number of rows and columns of op(t).
func matrix(t tensor.T, trans bool) (rows, columns int) {
	if t.N != 0 || t.Shape.Rank != 2 {
		panic("cpu: not a matrix")
	}
	if trans {
		return t.Shape.Dim[1], t.Shape.Dim[0]
	}
	return t.Shape.Dim[0], t.Shape.Dim[1]
}

// gemmPacking writes op(a) as [tile][step][row of the tile] and op(b) as [panel][step][16], missing columns 0. Its units
// are the tiles, then the panels.
type gemmPacking struct {
	kernels          *kernels
	m, k, n          int
	a, b             []float32
	transA, transB   bool
	packedA, packedB []float32
	parts            int
}

func (p *gemmPacking) part(i int, _ *worker) {
	tiles := p.kernels.tiles(p.m)
	first, last := share(tiles+(p.n+lanes-1)/lanes, i, p.parts)
	for unit := first; unit < last; unit++ {
		if unit < tiles {
			lo, hi := share(p.m, unit, tiles)
			interleave(p.packedA[lo*p.k:][:(hi-lo)*p.k], hi-lo, p.a, lo, hi, p.k, p.m, p.transA)
		} else {
			lo := (unit - tiles) * lanes
			panel := p.packedB[lo*p.k:][:lanes*p.k]
			interleave(panel, lanes, p.b, lo, min(lo+lanes, p.n), p.k, p.n, !p.transB)
		}
	}
}

// interleave writes dst[step][width]: the vectors lo..hi of a matrix, vectors being its rows of so many steps, or, if byStep,
// its columns in rows of count. Missing vectors are 0.
func interleave(dst []float32, width int, src []float32, lo, hi, steps, count int, byStep bool) {
	if hi-lo < width {
		clear(dst)
	}
	if byStep {
		for s := 0; s < steps; s++ {
			copy(dst[s*width:][:width], src[s*count+lo:s*count+hi])
		}
		return
	}
	for v := lo; v < hi; v++ {
		for s, x := range src[v*steps:][:steps] {
			dst[s*width+v-lo] = x
		}
	}
}
