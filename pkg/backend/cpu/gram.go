package cpu

import (
	"odepipe/pkg/backend"
	"odepipe/pkg/tensor"
)

// CotangentGram writes dst[Out, Out] = sum over samples and output positions of dy dy^T.
func (be *Backend) CotangentGram(dst tensor.T, g backend.Conv, dy tensor.T) {
	pixels := g.OH() * g.OW()
	if dy.Shape.Size() != g.Out*pixels || dst.Shape.Size() != g.Out*g.Out {
		panic("cpu: tensors do not fit the convolution")
	}
	if pixels == 1 {
		be.outer(floats(dst), g.Out, dy, dy, true)
		return
	}
	plans := be.planOf(g)
	if plans.self == nil {
		plans.self = planSelf(pixels)
	}
	be.contract = contraction{rows: g.Out, columns: g.Out, dst: floats(dst), strideA: g.Out, strideB: 1}
	be.contractAll(plans.self, dy, dy)
}

// PatchGram writes dst[K, K] = sum over samples and output positions of z z^T, z = the patch of [t, x] and a final 1.
// The part of x with itself is put together as gramPlan says; the rows and columns of the time channel and of the 1 are
// sums of x over windows. t has one element or one for each sample.
func (be *Backend) PatchGram(dst tensor.T, g backend.Conv, x tensor.T, t []float64) {
	side := g.GramSize()
	if x.Shape.Size() != g.In*g.H*g.W || dst.Shape.Size() != side*side {
		panic("cpu: tensors do not fit the convolution")
	}
	mark := be.Mark()
	switch {
	case g.In == 0: // t alone
	case onePixel(g):
		time := g.Channels() - g.In
		be.outer(floats(dst)[time*side+time:], side, x, x, true)
	default:
		be.patchProducts(floats(dst), g, x)
	}
	if g.Time || g.Bias {
		be.constantRows(floats(dst), g, x, t)
	}
	be.Release(mark)
}

// patchProducts writes the Gram matrix of the channels of x.
func (be *Backend) patchProducts(dst []float32, g backend.Conv, x tensor.T) {
	plans := be.planOf(g)
	if plans.patch == nil {
		plans.patch = planGram(g)
	}
	dot := &plans.patch.dot
	products := be.arena.take(dot.count * g.In * g.In)
	be.contract = contraction{rows: g.In, columns: g.In, dst: products, strideA: g.In, strideB: 1, strideT: g.In * g.In}
	be.contractAll(dot, x, x)
	be.spread = gramSpread{kernels: be.kernels, g: g, plan: plans.patch, dst: dst, products: products,
		parts: be.pool.partsFor(g.In, g.FanIn()*g.FanIn())}
	be.spread.scratch = be.arena.take(len(be.pool.workers) * be.spread.scratchSize())
	clear(be.spread.scratch) // the room for more taps is read, if to no effect
	be.pool.run(&be.spread, be.spread.parts)
}

// gramSpread adds the products of regions up to the Gram matrix of the channels of x, row by row:
//
//	dst[(c, s), (c', t)] = sum over the regions r of (s, t) of products[r][c][c'],  s <= t
//
// and of products[r][c'][c] for the pair (t, s) where s > t.
type gramSpread struct {
	kernels  *kernels
	g        backend.Conv
	plan     *gramPlan
	dst      []float32
	products []float32 // [region][In][In]
	scratch  []float32 // for each thread [region][In], then [tap][In] and room for eight more taps
	parts    int
}

func (s *gramSpread) scratchSize() int {
	return (s.plan.dot.count + s.g.Kernel*s.g.Kernel + 8) * s.g.In
}

func (s *gramSpread) part(i int, w *worker) {
	scratch := s.scratch[w.number*s.scratchSize():][:s.scratchSize()]
	split := s.plan.dot.count * s.g.In
	columns, sums := scratch[:split], scratch[split:]
	window, time := s.g.Kernel*s.g.Kernel, s.g.Channels()-s.g.In
	first, last := share(s.g.In, i, s.parts)
	for c := first; c < last; c++ {
		for k := range columns { // column c of every product
			columns[k] = s.products[k*s.g.In+c]
		}
		for from := 0; from < window; from++ {
			for to := 0; to < window; to++ {
				s.addRegions(sums[to*s.g.In:][:s.g.In], c, from, to, columns)
			}
			row := s.dst[((c+time)*window+from)*s.g.GramSize()+time*window:][:s.g.In*window]
			turn(w, s.kernels, row, window, sums, s.g.In, window, s.g.In) // row[c', to] = sums[to][c']
		}
	}
}

// addRegions writes the entries of channel c at tap from with all channels at tap to.
func (s *gramSpread) addRegions(sum []float32, c, from, to int, columns []float32) {
	in := s.g.In
	regions := s.plan.regions[min(from, to)*s.g.Kernel*s.g.Kernel+max(from, to)]
	if len(regions) == 0 {
		clear(sum)
	}
	for i, region := range regions {
		part := columns[region*in:][:in]
		if from <= to {
			part = s.products[(region*in+c)*in:][:in]
		}
		if i == 0 {
			copy(sum, part)
			continue
		}
		for k, v := range part {
			sum[k] += v
		}
	}
}

// constants is what the rows of the time channel and of the final 1 are made of: x summed over the samples, and
// summed with weight t.
type constants struct {
	sums, timed  []float32 // sum_n x[n] and, but for a factor scale, sum_n t_n x[n]; [H, W, In]
	scale        float64
	n            float64
	time, square float64 // sum_n t_n, sum_n t_n^2
}

// constantRows writes the rows and columns of the time channel and of the final 1.
func (be *Backend) constantRows(dst []float32, g backend.Conv, x tensor.T, t []float64) {
	sums, n := be.Plain(x.Shape), float64(x.N)
	be.SumBatch(sums, x, nil)
	c := constants{sums: floats(sums), timed: floats(sums), n: n}
	switch {
	case !g.Time:
	case len(t) == 1:
		c.scale, c.time, c.square = t[0], n*t[0], n*t[0]*t[0]
	default:
		timed := be.Plain(x.Shape)
		be.SumBatch(timed, x, t)
		c.timed, c.scale = floats(timed), 1
		for _, v := range t {
			c.time += v
			c.square += v * v
		}
	}
	c.write(dst, g)
}

func (c constants) write(dst []float32, g backend.Conv) {
	side, window, time := g.GramSize(), g.Kernel*g.Kernel, g.Channels()-g.In
	set := func(i, j int, v float64) { dst[i*side+j], dst[j*side+i] = float32(v), float32(v) }
	for tap := 0; tap < window; tap++ {
		rows, columns := outputs(g, tap/g.Kernel, g.H, g.OH()), outputs(g, tap%g.Kernel, g.W, g.OW())
		for other := 0; g.Time && other < window; other++ { // the time channel at tap other
			r := meet(rows, outputs(g, other/g.Kernel, g.H, g.OH()))
			w := meet(columns, outputs(g, other%g.Kernel, g.W, g.OW()))
			set(other, tap, c.square*float64((r.hi-r.lo)*(w.hi-w.lo)))
			for k := 0; k < g.In; k++ {
				set(other, (k+time)*window+tap, c.scale*tapSum(g, c.timed[k:], tap, r, w))
			}
		}
		if !g.Bias {
			continue
		}
		if g.Time {
			set(side-1, tap, c.time*float64((rows.hi-rows.lo)*(columns.hi-columns.lo)))
		}
		for k := 0; k < g.In; k++ {
			set(side-1, (k+time)*window+tap, tapSum(g, c.sums[k:], tap, rows, columns))
		}
	}
	if g.Bias {
		set(side-1, side-1, c.n*float64(g.OH()*g.OW()))
	}
}

// tapSum adds, over some output rows and columns, the pixels of one channel under a tap.
func tapSum(g backend.Conv, image []float32, tap int, rows, columns span) float64 {
	sum := 0.0
	for i := rows.lo; i < rows.hi; i++ {
		h := i*g.Stride + tap/g.Kernel - g.Padding
		for j := columns.lo; j < columns.hi; j++ {
			sum += float64(image[(h*g.W+j*g.Stride+tap%g.Kernel-g.Padding)*g.In])
		}
	}
	return sum
}

// meet is the intersection of two ranges.
func meet(a, b span) span {
	lo, hi := max(a.lo, b.lo), min(a.hi, b.hi)
	return span{lo, max(lo, hi)}
}
