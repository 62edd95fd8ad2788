package cpu

import (
	"unsafe"

	"odepipe/pkg/tensor"
)

// SumBatch writes dst_d = sum_n weight[n] x[n]_d. Without weights, the whole blocks are added up lane by lane as a linear
// combination, then the lanes of each feature.
func (be *Backend) SumBatch(dst, x tensor.T, weight []float64) {
	d, v := floats(dst), floats(x)
	size := x.Shape.Size()
	sameImage(x, dst)
	if size == 0 {
		return
	}
	if weight != nil {
		be.weightedSum(d, v, weight, x.N)
		return
	}
	mark := be.Mark()
	total := be.arena.take(size * lanes)
	be.terms = be.terms[:0]
	for b := 0; b < x.N/lanes; b++ {
		be.terms = append(be.terms, term{x: &v[b*size*lanes], coef: 1})
	}
	if len(be.terms) == 0 {
		clear(total)
	} else {
		call := streamCall{dst: &total[0], terms: unsafe.SliceData(be.terms), count: len(be.terms)}
		be.mapRows(be.kernels.combine, call, len(total), 4*len(be.terms))
	}
	rest := v[x.N/lanes*size*lanes:]
	for f := range d {
		sum := 0.0
		for _, t := range total[f*lanes:][:lanes] {
			sum += float64(t)
		}
		if valid := x.N % lanes; valid > 0 {
			for _, t := range rest[f*lanes:][:valid] {
				sum += float64(t)
			}
		}
		d[f] = float32(sum)
	}
	be.Release(mark)
}
