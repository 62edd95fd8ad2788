package cpu

import (
	"unsafe"

	"odepipe/pkg/backend"
	"odepipe/pkg/tensor"
)

// term is one addend coef x of a linear combination.
type term struct {
	x    *float32
	coef float32
}

// streamCall is the argument of the element-wise kernels, which work on rows of 16 numbers beginning at offset of dst, x,
// y and of every term. The assembly knows the offsets.
type streamCall struct {
	dst, x, y  *float32
	terms      *term
	count      int // of terms
	offset     int // floats
	rows       int
	atol, rtol float32
	sum        [lanes]float32 // what the summing kernels add to
}

// stream runs one element-wise kernel over tensors of one size: over whole rows of 16 in parts, over the rest, which only
// plain tensors have, padded to a row.
type stream struct {
	kernel     func(*streamCall)
	call       streamCall
	rows       int // of a block
	rowsOfPart int
	sums       []float32 // [block][part of the block][16], or nil
	coef       []float32 // [block][term][16], or nil: rows for call.x
	image      []float32 // [row of a block], or nil: numbers for call.y
}

// sumRows is the number of rows that are summed in float32 before the sum goes on in float64.
const sumRows = 256

// mapRows runs a kernel without sums over n floats; cost is that of a row.
func (be *Backend) mapRows(kernel func(*streamCall), call streamCall, n, cost int) {
	rows := n / lanes
	s := &be.stream
	*s = stream{kernel: kernel, call: call, rows: rows}
	if parts := be.pool.partsFor(rows, rows*cost); parts > 0 {
		s.rowsOfPart = (rows + parts - 1) / parts
		be.pool.run(s, s.partsOfBlock())
	}
	if rest := n % lanes; rest > 0 {
		mark := be.Mark()
		w := be.pool.workers[0]
		w.stream = be.restOf(call, n, rest)
		kernel(&w.stream)
		copy(unsafe.Slice(call.dst, n)[n-rest:], unsafe.Slice(w.stream.dst, rest))
		be.Release(mark)
	}
}

func (s *stream) partsOfBlock() int { return (s.rows + s.rowsOfPart - 1) / s.rowsOfPart }

func (s *stream) part(i int, w *worker) {
	perBlock := s.partsOfBlock()
	first := i % perBlock * s.rowsOfPart
	w.stream = s.call
	w.stream.rows = min(s.rowsOfPart, s.rows-first)
	w.stream.offset = (i/perBlock*s.rows + first) * lanes
	if s.coef != nil {
		w.stream.x = &s.coef[i/perBlock*s.call.count*lanes]
	}
	if s.image != nil {
		w.stream.y = &s.image[first]
	}
	s.kernel(&w.stream)
	if s.sums != nil {
		copy(s.sums[i*lanes:][:lanes], w.stream.sum[:])
	}
}

// restOf is the call for the last numbers of n, copied to rows of their own.
func (be *Backend) restOf(call streamCall, n, rest int) streamCall {
	row := func(p *float32) *float32 {
		if p == nil {
			return nil
		}
		padded := be.arena.take(lanes)
		clear(padded[copy(padded, unsafe.Slice(p, n)[n-rest:]):])
		return &padded[0]
	}
	call.dst, call.x, call.y, call.rows = row(call.dst), row(call.x), row(call.y), 1
	if call.count > 0 {
		terms := unsafe.Slice(call.terms, call.count)
		be.restTerms = be.restTerms[:0]
		for _, t := range terms {
			be.restTerms = append(be.restTerms, term{x: row(t.x), coef: t.coef})
		}
		call.terms = &be.restTerms[0]
	}
	return call
}

// sumLanes runs a summing kernel over tensors like x and adds the sum of each sample, or of all numbers of a plain
// tensor, to sum; cost is that of a row.
func (be *Backend) sumLanes(sum []float64, kernel func(*streamCall), call streamCall, x tensor.T, cost int) {
	if len(sum) < max(x.N, 1) {
		panic("cpu: too few sums")
	}
	size := x.Shape.Size()
	if x.N == 0 {
		be.sumBlocks(sum, kernel, call, size/lanes, 0, cost)
		if rest := size % lanes; rest > 0 {
			mark := be.Mark()
			w := be.pool.workers[0]
			w.stream = be.restOf(call, size, rest)
			kernel(&w.stream)
			for _, v := range w.stream.sum[:rest] {
				sum[0] += float64(v)
			}
			be.Release(mark)
		}
		return
	}
	be.sumBlocks(sum, kernel, call, size, x.N, cost)
}

// sumBlocks is sumLanes for blocks of so many rows that hold n samples, or, with n = 0, for one run of rows.
func (be *Backend) sumBlocks(sum []float64, kernel func(*streamCall), call streamCall, rows, n, cost int) {
	if rows == 0 {
		return
	}
	mark := be.Mark()
	s := &be.stream
	*s = stream{kernel: kernel, call: call, rows: rows, rowsOfPart: min(rows, sumRows)}
	perBlock := s.partsOfBlock()
	parts := max(1, blocks(n)) * perBlock
	s.sums = be.arena.take(parts * lanes)
	be.pool.runIf(rows*max(1, blocks(n))*cost >= smallWork, s, parts)
	for i := 0; i < parts; i++ {
		for lane, v := range s.sums[i*lanes:][:lanes] {
			if sample := i/perBlock*lanes + lane; n == 0 {
				sum[0] += float64(v)
			} else if sample < n {
				sum[sample] += float64(v)
			}
		}
	}
	be.Release(mark)
}

// combination points be.terms at the terms with a coefficient other than 0.
func (be *Backend) combination(like tensor.T, coef []float64, x []tensor.T) (terms *term, count int) {
	be.terms = be.terms[:0]
	for i, c := range coef {
		if c != 0 {
			sameSize(like, x[i])
			be.terms = append(be.terms, term{x: unsafe.SliceData(floats(x[i])), coef: float32(c)})
		}
	}
	return unsafe.SliceData(be.terms), len(be.terms)
}

// Combine writes dst = sum_i coef[i] x[i], in one pass over all terms.
func (be *Backend) Combine(dst tensor.T, coef []float64, x ...tensor.T) {
	if len(coef) != len(x) {
		panic("cpu: one coefficient for each term")
	}
	d := floats(dst)
	terms, count := be.combination(dst, coef, x)
	if count == 0 {
		clear(d)
		return
	}
	be.mapRows(be.kernels.combine, streamCall{dst: unsafe.SliceData(d), terms: terms, count: count}, len(d), 4*(count+1))
}

// CombineEach writes dst[n] = sum_i coef[i][n] x[i][n], in one pass over all terms.
func (be *Backend) CombineEach(dst tensor.T, coef [][]float64, x ...tensor.T) {
	if len(coef) != len(x) || dst.N == 0 {
		panic("cpu: one row of coefficients for each term of a batch")
	}
	d := floats(dst)
	be.terms = be.terms[:0]
	for i, c := range coef {
		if c != nil {
			sameSize(dst, x[i])
			be.terms = append(be.terms, term{x: unsafe.SliceData(floats(x[i]))})
		}
	}
	if len(be.terms) == 0 || len(d) == 0 {
		clear(d)
		return
	}
	mark := be.Mark()
	rows, count := dst.Shape.Size(), len(be.terms)
	be.stream = stream{kernel: be.kernels.combineEach, rows: rows, coef: be.coefficients(coef, dst.N),
		call: streamCall{dst: unsafe.SliceData(d), terms: unsafe.SliceData(be.terms), count: count}}
	be.mapBlocks(blocks(dst.N), 4*(count+1))
	be.Release(mark)
}

// mapBlocks runs be.stream, a kernel without sums, over so many blocks; cost is that of a row.
func (be *Backend) mapBlocks(count, cost int) {
	s := &be.stream
	s.rowsOfPart = min(s.rows, sumRows)
	be.pool.runIf(s.rows*count*cost >= smallWork, s, count*s.partsOfBlock())
}

// coefficients are those of the terms that have any, [block][term][16], with 0 for the padding.
func (be *Backend) coefficients(coef [][]float64, n int) []float32 {
	table := be.arena.take(blocks(n) * len(be.terms) * lanes)
	clear(table)
	term := 0
	for _, c := range coef {
		if c == nil {
			continue
		}
		if len(c) != n {
			panic("cpu: one coefficient for each sample")
		}
		for sample, v := range c {
			table[(sample/lanes*len(be.terms)+term)*lanes+sample%lanes] = float32(v)
		}
		term++
	}
	return table
}

// Multiply writes dst = x y, y being like x or an image.
func (be *Backend) Multiply(dst, x, y tensor.T) {
	sameSize(dst, x)
	d := floats(dst)
	call := streamCall{dst: unsafe.SliceData(d), x: unsafe.SliceData(floats(x)), y: unsafe.SliceData(floats(y))}
	if x.N == 0 || y.N > 0 {
		sameSize(x, y)
		be.mapRows(be.kernels.multiply, call, len(d), 8)
		return
	}
	sameImage(x, y)
	if len(d) > 0 {
		be.stream = stream{kernel: be.kernels.multiplyImage, rows: x.Shape.Size(), image: floats(y), call: call}
		be.mapBlocks(blocks(x.N), 8)
	}
}

// ScaledSquares adds to sum[n], for each sample, sum_d (e_d / (atol + rtol max(|y0_d|, |y1_d|)))^2 with
// e = sum_i coef[i] k[i], in one pass.
func (be *Backend) ScaledSquares(sum []float64, coef []float64, k []tensor.T, y0, y1 tensor.T, atol, rtol float64) {
	if len(coef) != len(k) {
		panic("cpu: one coefficient for each term")
	}
	sameSize(y0, y1)
	terms, count := be.combination(y0, coef, k)
	if count == 0 {
		return
	}
	call := streamCall{x: unsafe.SliceData(floats(y0)), y: unsafe.SliceData(floats(y1)),
		terms: terms, count: count, atol: float32(atol), rtol: float32(rtol)}
	be.sumLanes(sum, be.kernels.scaledSquares, call, y0, 4*(count+4))
}

// Dot adds to sum[n], for each sample, sum_d x_d y_d.
func (be *Backend) Dot(sum []float64, x, y tensor.T) {
	sameSize(x, y)
	call := streamCall{x: unsafe.SliceData(floats(x)), y: unsafe.SliceData(floats(y))}
	be.sumLanes(sum, be.kernels.dotLanes, call, x, 8)
}

// Activate writes dst = sigma(x).
func (be *Backend) Activate(dst tensor.T, a backend.Activation, x tensor.T) {
	sameSize(dst, x)
	d := floats(dst)
	call := streamCall{dst: unsafe.SliceData(d), x: unsafe.SliceData(floats(x))}
	be.mapRows(be.kernels.activate[a], call, len(d), activationCost(a))
}

// ActivateGrad writes dx = dy sigma'(x).
func (be *Backend) ActivateGrad(dx tensor.T, a backend.Activation, dy, x tensor.T) {
	sameSize(dx, x)
	sameSize(dx, dy)
	d := floats(dx)
	call := streamCall{dst: unsafe.SliceData(d), x: unsafe.SliceData(floats(x)), y: unsafe.SliceData(floats(dy))}
	be.mapRows(be.kernels.activateGrad[a], call, len(d), activationCost(a))
}

// ActivateGrad2 adds dx += dy v sigma”(x).
func (be *Backend) ActivateGrad2(dx tensor.T, a backend.Activation, dy, v, x tensor.T) {
	sameSize(dx, x)
	sameSize(dx, dy)
	sameSize(dx, v)
	if a == backend.ReLU {
		return
	}
	d := floats(dx)
	be.terms = append(be.terms[:0], term{x: unsafe.SliceData(floats(v))})
	call := streamCall{dst: unsafe.SliceData(d), x: unsafe.SliceData(floats(x)), y: unsafe.SliceData(floats(dy)),
		terms: &be.terms[0], count: 1}
	be.mapRows(be.kernels.activateGrad2[a], call, len(d), activationCost(a))
}

// activationCost is that of a row of 16.
func activationCost(a backend.Activation) int {
	if a == backend.ReLU {
		return 4
	}
	return 64
}
