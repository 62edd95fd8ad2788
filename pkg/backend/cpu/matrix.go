package cpu

import "odepipe/pkg/tensor"

// Gemm writes dst = op(a) op(b).
func (be *Backend) Gemm(dst tensor.T, transA bool, a tensor.T, transB bool, b tensor.T) {
	left, right := matrixOf(a, transA), matrixOf(b, !transB)
	if left.steps != right.steps || dst.Shape.Size() != left.count*right.count {
		panic("cpu: matrices do not fit")
	}
	be.multiply(floats(dst), right.count, left, right, false)
}

// outer writes dst[i stride + j] = sum_n y[n]_i x[n]_j over the samples of two batches of vectors. If y is x, symmetric
// spares half of the work.
func (be *Backend) outer(dst []float32, stride int, y, x tensor.T, symmetric bool) {
	be.multiply(dst, stride, batchOf(y), batchOf(x), symmetric)
	if symmetric {
		mirror(dst, stride, x.Shape.Size())
	}
}

// mirror writes dst[j][i] = dst[i][j] for i < j < n, sixteen i at a time for the cache's sake.
func mirror(dst []float32, stride, n int) {
	for lo := 0; lo < n; lo += lanes {
		for j := lo + 1; j < n; j++ {
			for i := lo; i < min(lo+lanes, j); i++ {
				dst[j*stride+i] = dst[i*stride+j]
			}
		}
	}
}

// spreadFrom is how often a packed number must be used for a product to be spread over threads: fetching it from another
// core's cache takes about as long as so many multiply-adds.
const spreadFrom = 100

// multiply writes dst[i stride + j] = sum_s a[i][s] b[j][s], for upper at least where j >= i. It packs a as a weight and b
// in panels [16 vectors][step][16]; the tile kernel does the rest.
func (be *Backend) multiply(dst []float32, stride int, a, b factor, upper bool) {
	if a.count*b.count == 0 {
		return
	}
	if slicesOf(a, b) > 1 {
		be.multiplySliced(dst, stride, a, b, upper)
		return
	}
	alone := a.count*b.count < spreadFrom*(a.count+b.count)
	mark := be.Mark()
	be.matrix.planMatrix(a.count, a.steps)
	panels := blocks(b.count)
	f := factors{kernels: be.kernels, a: a, b: b, packedA: be.arena.take(a.count * a.steps), packedB: be.arena.take(panels * a.steps * lanes)}
	f.parts = 1
	if !alone {
		f.parts = be.pool.partsFor(be.kernels.tiles(a.count)+panels, (len(f.packedA)+len(f.packedB))/2)
	}
	be.factors = f
	be.pool.run(&be.factors, f.parts)

	be.product = product{plan: &be.matrix, a: f.packedA, b: f.packedB, blockB: a.steps * lanes,
		dst: dst, stride: stride, column: lanes, columns: panels, upper: upper, alone: alone}
	rest := b.count % lanes
	if rest > 0 {
		be.product.edge = be.arena.take(a.count * lanes)
	}
	be.compute()
	for i := 0; rest > 0 && i < a.count; i++ {
		copy(dst[i*stride+b.count-rest:][:rest], be.product.edge[i*lanes:])
	}
	be.Release(mark)
}

// factors packs both sides of a product: a as [tile][step][row of the tile], b as [panel][step][16] with anything for missing vectors.
// Its units are the tiles, then the panels.
type factors struct {
	kernels          *kernels
	a, b             factor
	packedA, packedB []float32
	parts            int
}

func (f *factors) part(i int, w *worker) {
	tiles := f.kernels.tiles(f.a.count)
	first, last := share(tiles+blocks(f.b.count), i, f.parts)
	for unit := first; unit < last; unit++ {
		if unit < tiles {
			lo, hi := share(f.a.count, unit, tiles)
			f.a.interleave(w, f.kernels, f.packedA[lo*f.a.steps:][:(hi-lo)*f.a.steps], hi-lo, lo, hi)
		} else {
			lo := (unit - tiles) * lanes
			f.b.interleave(w, f.kernels, f.packedB[lo*f.b.steps:][:lanes*f.b.steps], lanes, lo, min(lo+lanes, f.b.count))
		}
	}
}
