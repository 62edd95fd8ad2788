package cpu

import (
	"slices"
	"unsafe"

	"odepipe/pkg/backend"
	"odepipe/pkg/tensor"
)

// gradEach computes the weight's and the bias's cotangents of every sample alone. The samples of a block are the lanes of
// all rows, so that for output channel o and tap s
//
//	dw[o, c, s][lane] = sum over the output pixels q of dy[q, o][lane] x[pixel under s at q, c][lane]
//
// is one linear combination of rows, over all c at once, with coefficients that differ by lane. Its units are the pairs of a
// block and an output channel.
type gradEach struct {
	kernels       *kernels
	g             backend.Conv
	dw, db, dy, x []float32 // [block][Out][FanIn][16], [block][Out][16] or nil, and the layer's batches
	t             []float64 // one, or one of each sample
	samples       int
	scratch       []float32 // for each thread the coefficients [pixel][16] and the combination [In][16]
	terms         []term    // for each thread those of the pixels
	parts         int
}

// ConvGradEach writes dw[n] = dy[n] (x) patches of [t_n, x[n]] and db[n] = the sum of dy[n] over the output.
func (be *Backend) ConvGradEach(dw, db tensor.T, g backend.Conv, dy, x tensor.T, t []float64) {
	pixels := g.OH() * g.OW()
	if dy.N != x.N || dw.N != x.N || x.Shape.Size() != g.In*g.H*g.W || dy.Shape.Size() != g.Out*pixels || dw.Shape.Size() != g.Out*g.FanIn() {
		panic("cpu: tensors do not fit the convolution")
	}
	if g.Time && len(t) != 1 && len(t) != x.N {
		panic("cpu: one time for each sample")
	}
	mark := be.Mark()
	e, threads := &be.gradEach, len(be.pool.workers)
	*e = gradEach{kernels: be.kernels, g: g, dw: floats(dw), dy: floats(dy), x: floats(x), t: t, samples: x.N,
		scratch: be.arena.take(threads * (pixels + g.In) * lanes), terms: slices.Grow(e.terms[:0], threads*pixels)[:threads*pixels]}
	if db.Buf.F32 != nil {
		if db.N != x.N || db.Shape.Size() != g.Out {
			panic("cpu: bias does not fit the convolution")
		}
		e.db = floats(db)
	}
	e.parts = be.pool.partsFor(blocks(x.N)*g.Out, len(e.dw)/4*pixels)
	be.pool.run(e, e.parts)
	be.Release(mark)
}

func (e *gradEach) part(i int, w *worker) {
	for unit, last := share(blocks(e.samples)*e.g.Out, i, e.parts); unit < last; unit++ {
		e.channel(w, unit/e.g.Out, unit%e.g.Out)
	}
}

// channel writes what belongs to output channel o of one block.
func (e *gradEach) channel(w *worker, block, o int) {
	g := e.g
	pixels, window, time := g.OH()*g.OW(), g.Kernel*g.Kernel, g.Channels()-g.In
	scratch := e.scratch[w.number*(pixels+g.In)*lanes:][:(pixels+g.In)*lanes]
	coef, sums := scratch[:pixels*lanes], scratch[pixels*lanes:]
	dy := e.dy[(block*pixels*g.Out+o)*lanes:]
	dw := e.dw[(block*g.Out+o)*g.FanIn()*lanes:][:g.FanIn()*lanes]
	for tap := range window {
		rows, columns := outputs(g, tap/g.Kernel, g.H, g.OH()), outputs(g, tap%g.Kernel, g.W, g.OW())
		count := e.gather(w, coef, dy, block, tap, rows, columns)
		clear(sums)
		if count > 0 && g.In > 0 {
			w.stream = streamCall{dst: &sums[0], x: &coef[0], terms: &e.terms[w.number*pixels], count: count, rows: g.In}
			e.kernels.combineEach(&w.stream)
		}
		for c := range g.In {
			copy(dw[((c+time)*window+tap)*lanes:][:lanes], sums[c*lanes:])
		}
		if g.Time {
			e.timed((*[lanes]float32)(dw[tap*lanes:]), coef[:count*lanes], block)
		}
	}
	if e.db != nil {
		sum := (*[lanes]float32)(e.db[(block*g.Out+o)*lanes:])
		clear(sum[:])
		for q := range pixels {
			addRow(sum, dy[q*g.Out*lanes:])
		}
	}
}

// gather points the thread's terms at the pixels of x under a tap, for some output rows and columns, and copies the rows
// of dy that go with them to coef.
func (e *gradEach) gather(w *worker, coef, dy []float32, block, tap int, rows, columns span) (count int) {
	g := e.g
	terms, x := e.terms[w.number*g.OH()*g.OW():], e.x[block*g.H*g.W*g.In*lanes:]
	for i := rows.lo; i < rows.hi; i++ {
		for j := columns.lo; j < columns.hi; j++ {
			pixel := (i*g.Stride+tap/g.Kernel-g.Padding)*g.W + j*g.Stride + tap%g.Kernel - g.Padding
			terms[count].x = unsafe.SliceData(x[pixel*g.In*lanes:])
			copy(coef[count*lanes:][:lanes], dy[(i*g.OW()+j)*g.Out*lanes:])
			count++
		}
	}
	return count
}

// timed writes dst = t times the sum of rows, for the samples of a block.
func (e *gradEach) timed(dst *[lanes]float32, rows []float32, block int) {
	clear(dst[:])
	for ; len(rows) > 0; rows = rows[lanes:] {
		addRow(dst, rows)
	}
	for l := range min(lanes, e.samples-block*lanes) {
		t := e.t[0]
		if len(e.t) > 1 {
			t = e.t[block*lanes+l]
		}
		dst[l] *= float32(t)
	}
}

func addRow(sum *[lanes]float32, row []float32) {
	for l, v := range row[:lanes] {
		sum[l] += v
	}
}
