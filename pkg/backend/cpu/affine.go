package cpu

import (
	"odepipe/pkg/backend"
	"odepipe/pkg/tensor"
)

// Pack lays the weight out for the tile kernel, once for each direction, without the time channel. It panics if the
// weight does not fit its geometry.
func (be *Backend) Pack(g backend.Conv, w tensor.T) backend.Packed {
	if w.Shape.Size() != g.Out*g.FanIn() {
		panic("cpu: weight does not fit its geometry")
	}
	plans := be.planOf(g)
	return backend.Packed{
		Weight:   w,
		Forward:  tensor.Buffer{F32: be.pack(g, plans.forward, plans.filterForward, false, floats(w))},
		Backward: tensor.Buffer{F32: be.pack(g, plans.backward, plans.filterBackward, true, floats(w))},
	}
}

// pack lays the weight out for one direction, by the second plan if there is one.
func (be *Backend) pack(g backend.Conv, plan *tilePlan, filter *filterPlan, backward bool, w []float32) []float32 {
	if filter != nil {
		return be.packFilter(filter, w)
	}
	dst := be.arena.take(plan.rows * plan.steps)
	parts := be.pool.partsFor(be.kernels.tiles(plan.rows), 4*len(dst))
	be.packing = packing{kernels: be.kernels, g: g, plan: plan, backward: backward, dst: dst, w: w, parts: parts}
	be.pool.run(&be.packing, parts)
	return dst
}

// packing writes dst [tile][step][row of the tile]; the order of the steps is that of planForward or planBackward.
type packing struct {
	kernels  *kernels
	g        backend.Conv
	plan     *tilePlan
	backward bool
	dst, w   []float32
	parts    int
}

func (p *packing) part(i int, w *worker) {
	tiles := p.kernels.tiles(p.plan.rows)
	first, last := share(tiles, i, p.parts)
	for tile := first; tile < last; tile++ {
		lo, hi := share(p.plan.rows, tile, tiles)
		dst := p.dst[lo*p.plan.steps : hi*p.plan.steps]
		switch {
		case p.g.Kernel == 1:
			p.oneTap().interleave(w, p.kernels, dst, hi-lo, lo, hi)
		case p.backward:
			p.inputRows(dst, lo, hi)
		default:
			p.outputRows(dst, lo, hi)
		}
	}
}

// oneTap is the weight [Out, Channels] as the factor of a matrix product.
func (p *packing) oneTap() factor {
	f := factor{data: p.w[p.g.Channels()-p.g.In:], count: p.plan.rows, steps: p.plan.steps, kind: vectorMajor, stride: p.g.Channels()}
	if p.backward {
		f.kind = stepMajor
	}
	return f
}

// outputRows writes step (u, v, c) of output channels lo..hi.
func (p *packing) outputRows(dst []float32, lo, hi int) {
	g := p.g
	window, time := g.Kernel*g.Kernel, g.Channels()-g.In
	for o := lo; o < hi; o++ {
		for c := 0; c < g.In; c++ {
			for tap, v := range p.w[o*g.FanIn()+(c+time)*window:][:window] {
				dst[(tap*g.In+c)*(hi-lo)+o-lo] = v
			}
		}
	}
}

// inputRows writes step (u, reversed v, o) of input channels lo..hi, in the order in which they lie in the weight.
func (p *packing) inputRows(dst []float32, lo, hi int) {
	g := p.g
	for o := 0; o < g.Out; o++ {
		for c := lo; c < hi; c++ {
			w := p.w[(o*g.Channels()+c+g.Channels()-g.In)*g.Kernel*g.Kernel:]
			for u := 0; u < g.Kernel; u++ {
				for v := 0; v < g.Kernel; v++ {
					dst[((u*g.Kernel+g.Kernel-1-v)*g.Out+o)*(hi-lo)+c-lo] = w[u*g.Kernel+v]
				}
			}
		}
	}
}

// ConvForward writes dst = w * x + image.
func (be *Backend) ConvForward(dst tensor.T, g backend.Conv, p backend.Packed, image, x tensor.T) {
	in, out := g.In*g.H*g.W, g.Out*g.OH()*g.OW()
	if x.N != dst.N || x.Shape.Size() != in || dst.Shape.Size() != out {
		panic("cpu: tensors do not fit the convolution")
	}
	var start []float32
	if image.Buf.F32 != nil {
		if start = floats(image); len(start) != out {
			panic("cpu: bias image does not fit the convolution")
		}
	}
	plans := be.planOf(g)
	if plans.filterForward != nil {
		be.filter(plans.filterForward, floats(dst), p.Forward.F32, floats(x), start, blocks(x.N))
		return
	}
	be.product = product{
		plan: plans.forward, a: p.Forward.F32, b: floats(x), blockB: in * lanes, image: start,
		dst: floats(dst), stride: lanes, column: g.Out * lanes, columns: blocks(x.N) * g.OH() * g.OW(),
	}
	be.compute()
}

// ConvBackward writes dx = w^T dy.
func (be *Backend) ConvBackward(dx tensor.T, g backend.Conv, p backend.Packed, dy tensor.T) {
	in, out := g.In*g.H*g.W, g.Out*g.OH()*g.OW()
	if dx.N != dy.N || dx.Shape.Size() != in || dy.Shape.Size() != out {
		panic("cpu: tensors do not fit the convolution")
	}
	plans := be.planOf(g)
	if plans.filterBackward != nil {
		be.filter(plans.filterBackward, floats(dx), p.Backward.F32, floats(dy), nil, blocks(dy.N))
		return
	}
	be.product = product{
		plan: plans.backward, a: p.Backward.F32, b: floats(dy), blockB: out * lanes,
		dst: floats(dx), stride: lanes, column: g.In * lanes, columns: blocks(dy.N) * g.H * g.W,
	}
	be.compute()
}
