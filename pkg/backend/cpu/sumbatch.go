package cpu

import "odepipe/pkg/tensor"

// batchSum adds up the whole blocks of a batch lane by lane, as linear combinations of so many terms in slices of them.
type batchSum struct {
	kernels *kernels
	terms   []term // the blocks
	rows    int    // of a block
	count   int    // of slices
	totals  []float32
}

func (s *batchSum) part(i int, w *worker) {
	lo, hi := share(len(s.terms), i, s.count)
	w.stream = streamCall{dst: &s.totals[i*s.rows*lanes], terms: &s.terms[lo], count: hi - lo, rows: s.rows}
	s.kernels.combine(&w.stream)
}

// sumsTogether is the number of floats up to which the caller sums a batch by itself.
const sumsTogether = 1 << 13

// SumBatch writes dst_d = sum_n weight[n] x[n]_d. Without weights, the whole blocks are added up lane by lane, then the lanes
// of each feature.
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
	totals := be.blockSums(v, size, x.N)
	rest := v[x.N/lanes*size*lanes:]
	for f := range d {
		sum := 0.0
		for at := f * lanes; at < len(totals); at += size * lanes {
			for _, t := range totals[at:][:lanes] {
				sum += float64(t)
			}
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

// blockSums are the sums over the whole blocks of a batch, lane by lane, in slices of the blocks [slice][size][16] or, where
// there is but one slice, by rows.
func (be *Backend) blockSums(v []float32, size, samples int) []float32 {
	be.terms = be.terms[:0]
	for b := range samples / lanes {
		be.terms = append(be.terms, term{x: &v[b*size*lanes], coef: 1})
	}
	if len(be.terms) == 0 {
		return nil
	}
	s := &be.batchSum
	*s = batchSum{kernels: be.kernels, terms: be.terms, rows: size, count: slicesOfSteps(samples)}
	s.totals = be.arena.take(s.count * size * lanes)
	if s.count > 1 {
		be.pool.runIf(len(v) > sumsTogether, s, s.count)
	} else {
		call := streamCall{dst: &s.totals[0], terms: &be.terms[0], count: len(be.terms)}
		be.mapRows(be.kernels.combine, call, len(s.totals), 4*len(be.terms))
	}
	return s.totals
}
