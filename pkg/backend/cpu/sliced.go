package cpu

import "unsafe"

// sliced is a matrix product with a small result and many steps, cut into slices of the steps. A thread packs a slice for
// itself and multiplies it while it is in its cache; the slices' products are added up in order. What is exchanged between
// threads is the products. The slices do not depend on the number of threads.
type sliced struct {
	kernels     *kernels
	a, b        factor
	upper       bool
	count       int      // of slices
	steps       int      // of a slice but the last
	whole, last tilePlan // of those slices, and of the last one
	scratch     []float32
	products    []float32 // [slice][a.count][panels 16]
}

const (
	sliceSteps  = 128 // about as many in a slice
	maxSlices   = 8
	slicedUntil = 1 << 16 // numbers of a result, beyond which it takes longer to exchange than packed factors
)

// slicesOf is the number of slices into which a product is cut: a power of two, so that threads have equally many.
func slicesOf(a, b factor) int {
	if a.count*b.count > slicedUntil {
		return 1
	}
	return slicesOfSteps(a.steps)
}

// slicesOfSteps is their number for so many steps, which may be the samples of a batch.
func slicesOfSteps(steps int) int {
	count := 1
	for count < maxSlices && count*sliceSteps < steps {
		count *= 2
	}
	return count
}

// multiplySliced is multiply in slices.
func (be *Backend) multiplySliced(dst []float32, stride int, a, b factor, upper bool) {
	mark := be.Mark()
	s := &be.sliced
	s.kernels, s.a, s.b, s.upper = be.kernels, a, b, upper
	s.steps = blocks((a.steps+slicesOf(a, b)-1)/slicesOf(a, b)) * lanes
	s.count = (a.steps + s.steps - 1) / s.steps
	s.whole.planMatrix(a.count, s.steps)
	s.last.planMatrix(a.count, a.steps-(s.count-1)*s.steps)
	panels := blocks(b.count)
	width := panels * lanes
	size := a.count * width
	s.scratch = be.arena.take(len(be.pool.workers) * s.room())
	s.products = be.arena.take(s.count * size)
	be.pool.runIf(a.count*panels*a.steps >= smallWork, s, s.count)

	be.terms = be.terms[:0]
	for i := range s.count {
		be.terms = append(be.terms, term{x: &s.products[i*size], coef: 1})
	}
	call := streamCall{dst: &s.products[0], terms: unsafe.SliceData(be.terms), count: s.count}
	be.mapRows(be.kernels.combine, call, size, 4*(s.count+1))
	for i := range a.count {
		copy(dst[i*stride:][:b.count], s.products[i*width:])
	}
	be.Release(mark)
}

// room is the size of a packed slice of both factors.
func (s *sliced) room() int { return (s.a.count + blocks(s.b.count)*lanes) * s.steps }

func (s *sliced) part(i int, w *worker) {
	plan := &s.whole
	if i == s.count-1 {
		plan = &s.last
	}
	lo := i * s.steps
	a, b := s.a.slice(lo, lo+plan.steps), s.b.slice(lo, lo+plan.steps)
	panels := blocks(b.count)
	packed := s.scratch[w.number*s.room():][:s.room()]
	f := factors{kernels: s.kernels, a: a, b: b, packedA: packed[:a.count*plan.steps], packedB: packed[a.count*s.steps:], parts: 1}
	f.part(0, w)
	p := product{kernels: s.kernels, plan: plan, a: f.packedA, b: f.packedB, blockB: plan.steps * lanes, upper: s.upper,
		dst: s.products[i*a.count*panels*lanes:], stride: panels * lanes, column: lanes, columns: panels, groups: 1, ranges: 1}
	p.part(0, w)
}
