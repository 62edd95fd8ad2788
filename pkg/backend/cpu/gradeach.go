package cpu

import (
	"odepipe/pkg/backend"
	"odepipe/pkg/tensor"
)

// gradEach computes the weight's and the bias's cotangents of every sample alone. The samples of a block are the lanes of
// all rows, so everything is a sum of products of rows. Its units are the pairs of a block and an output channel.
type gradEach struct {
	g              backend.Conv
	dw, db, dy, x  []float32 // [block][Out][FanIn][16], [block][Out][16] or nil, and the layer's batches
	t              []float64 // one, or one of each sample
	samples, parts int
}

// ConvGradEach writes dw[n] = dy[n] (x) patches of [t_n, x[n]] and db[n] = the sum of dy[n] over the output.
func (be *Backend) ConvGradEach(dw, db tensor.T, g backend.Conv, dy, x tensor.T, t []float64) {
	if dy.N != x.N || dw.N != x.N || x.Shape.Size() != g.In*g.H*g.W || dy.Shape.Size() != g.Out*g.OH()*g.OW() || dw.Shape.Size() != g.Out*g.FanIn() {
		panic("cpu: tensors do not fit the convolution")
	}
	if g.Time && len(t) != 1 && len(t) != x.N {
		panic("cpu: one time for each sample")
	}
	e := &be.gradEach
	*e = gradEach{g: g, dw: floats(dw), dy: floats(dy), x: floats(x), t: t, samples: x.N}
	if db.Buf.F32 != nil {
		if db.N != x.N || db.Shape.Size() != g.Out {
			panic("cpu: bias does not fit the convolution")
		}
		e.db = floats(db)
	}
	e.parts = be.pool.partsFor(blocks(x.N)*g.Out, len(e.dw)*g.OH()*g.OW())
	be.pool.run(e, e.parts)
}

func (e *gradEach) part(i int, _ *worker) {
	for unit, last := share(blocks(e.samples)*e.g.Out, i, e.parts); unit < last; unit++ {
		e.channel(unit/e.g.Out, unit%e.g.Out)
	}
}

// channel writes what belongs to output channel o of one block.
func (e *gradEach) channel(block, o int) {
	g := e.g
	pixels, window, time := g.OH()*g.OW(), g.Kernel*g.Kernel, g.Channels()-g.In
	dy := e.dy[(block*pixels*g.Out+o)*lanes:]
	x := e.x[block*g.H*g.W*g.In*lanes:][:g.H*g.W*g.In*lanes]
	dw := e.dw[(block*g.Out+o)*g.FanIn()*lanes:][:g.FanIn()*lanes]
	clear(dw)
	for tap := range window {
		rows, columns := outputs(g, tap/g.Kernel, g.H, g.OH()), outputs(g, tap%g.Kernel, g.W, g.OW())
		if g.Time {
			e.timed((*[lanes]float32)(dw[tap*lanes:]), sumRowsOf(dy, g, rows, columns), block)
		}
		for i := rows.lo; i < rows.hi; i++ {
			for j := columns.lo; j < columns.hi; j++ {
				pixel := (i*g.Stride+tap/g.Kernel-g.Padding)*g.W + j*g.Stride + tap%g.Kernel - g.Padding
				from := (*[lanes]float32)(dy[(i*g.OW()+j)*g.Out*lanes:])
				for c := range g.In {
					to, z := (*[lanes]float32)(dw[((c+time)*window+tap)*lanes:]), (*[lanes]float32)(x[(pixel*g.In+c)*lanes:])
					for l, v := range z {
						to[l] += from[l] * v
					}
				}
			}
		}
	}
	if e.db != nil {
		sum := sumRowsOf(dy, g, span{0, g.OH()}, span{0, g.OW()})
		copy(e.db[(block*g.Out+o)*lanes:], sum[:])
	}
}

// timed writes dst = t sum for the samples of a block.
func (e *gradEach) timed(dst *[lanes]float32, sum [lanes]float32, block int) {
	for l := range min(lanes, e.samples-block*lanes) {
		t := e.t[0]
		if len(e.t) > 1 {
			t = e.t[block*lanes+l]
		}
		dst[l] = float32(t * float64(sum[l]))
	}
}

// sumRowsOf adds the rows of one output channel over some output rows and columns.
func sumRowsOf(dy []float32, g backend.Conv, rows, columns span) (sum [lanes]float32) {
	for i := rows.lo; i < rows.hi; i++ {
		for j := columns.lo; j < columns.hi; j++ {
			for l, v := range (*[lanes]float32)(dy[(i*g.OW()+j)*g.Out*lanes:]) {
				sum[l] += v
			}
		}
	}
	return sum
}
