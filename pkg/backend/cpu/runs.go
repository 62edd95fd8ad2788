package cpu

import "odepipe/pkg/backend"

// run says that n successive rows of b, from b on, meet n successive rows of a, from a on.
type run struct{ a, b, n int }

// span is a range of a table.
type span struct{ lo, hi int }

// tilePlan is one linear map for the tile kernel: pixel p of the result is the sum over the runs of its chunks.
// A chunk has at most maxSteps steps, so that its rows of b stay in the first-level cache while all tiles of rows use them.
type tilePlan struct {
	rows, steps int // of a: the packed weight is [tile][steps][rows of the tile]
	runs        []run
	chunks      []span // of runs
	pixels      []span // of chunks; each pixel has at least one, if an empty one
	deepest     int    // the largest number of chunks of a pixel
	cost        int    // multiply-adds for one row and one lane, over all pixels
}

const maxSteps = 256

// plans are the tables that follow from one geometry.
type plans struct {
	forward, backward                         *tilePlan
	filterForward, filterBackward, filterGrad *filterPlan // used instead where not nil
	grad, self                                *dotPlan
	patch                                     *gramPlan
}

// planOf makes or recalls the tables of a geometry.
func (be *Backend) planOf(g backend.Conv) *plans {
	p := be.plans[g]
	if p == nil {
		p = &plans{forward: planForward(g), backward: planBackward(g)}
		p.filterForward = planFilter(g, false, false, p.forward.cost*g.Out)
		p.filterBackward = planFilter(g, true, false, p.backward.cost*g.In)
		p.filterGrad = planFilter(g, false, true, p.forward.cost*g.Out)
		be.plans[g] = p
	}
	return p
}

// planForward: output pixel (i, j) is the sum over window rows u of one run, the taps v of a row being neighbours in
// the weight [u][v][In] as in the image [h][w][In].
func planForward(g backend.Conv) *tilePlan {
	p := &tilePlan{rows: g.Out, steps: g.Kernel * g.Kernel * g.In}
	var runs []run
	for i := 0; i < g.OH(); i++ {
		for j := 0; j < g.OW(); j++ {
			runs = runs[:0]
			for u := 0; u < g.Kernel; u++ {
				for v := 0; v < g.Kernel; v++ {
					h, w := i*g.Stride+u-g.Padding, j*g.Stride+v-g.Padding
					if h >= 0 && h < g.H && w >= 0 && w < g.W {
						runs = appendRun(runs, run{a: (u*g.Kernel + v) * g.In, b: (h*g.W + w) * g.In, n: g.In})
					}
				}
			}
			p.addPixel(runs)
		}
	}
	return p
}

// planBackward: input pixel (h, w) is reached from the output pixels (i, j) with i Stride + u - Padding = h, and w
// likewise. The weight is [u][reversed v][Out], so that with stride 1 the taps of a row are neighbours here too.
func planBackward(g backend.Conv) *tilePlan {
	p := &tilePlan{rows: g.In, steps: g.Kernel * g.Kernel * g.Out}
	var runs []run
	for h := 0; h < g.H; h++ {
		for w := 0; w < g.W; w++ {
			runs = runs[:0]
			for u := 0; u < g.Kernel; u++ {
				for v := g.Kernel - 1; v >= 0; v-- {
					i, j := h+g.Padding-u, w+g.Padding-v
					if i < 0 || j < 0 || i%g.Stride != 0 || j%g.Stride != 0 {
						continue
					}
					if i, j = i/g.Stride, j/g.Stride; i < g.OH() && j < g.OW() {
						k := (u*g.Kernel + g.Kernel - 1 - v) * g.Out
						runs = appendRun(runs, run{a: k, b: (i*g.OW() + j) * g.Out, n: g.Out})
					}
				}
			}
			p.addPixel(runs)
		}
	}
	return p
}

// planMatrix: rows x steps times steps x lanes, one pixel, one run.
func (p *tilePlan) planMatrix(rows, steps int) {
	*p = tilePlan{rows: rows, steps: steps, runs: p.runs[:0], chunks: p.chunks[:0], pixels: p.pixels[:0]}
	whole := [1]run{{n: steps}}
	p.addPixel(whole[:])
}

// appendRun adds r, as a part of the last run where it continues it.
func appendRun(runs []run, r run) []run {
	if n := len(runs) - 1; n >= 0 && runs[n].a+runs[n].n == r.a && runs[n].b+runs[n].n == r.b {
		runs[n].n += r.n
		return runs
	}
	return append(runs, r)
}

// addPixel cuts the runs of the next pixel into chunks of nearly equal length.
func (p *tilePlan) addPixel(runs []run) {
	total := 0
	for _, r := range runs {
		total += r.n
	}
	p.cost += total
	count := max(1, (total+maxSteps-1)/maxSteps)
	first, done := len(p.chunks), 0
	for c := 0; c < count; c++ {
		begin := len(p.runs)
		for end := total * (c + 1) / count; done < end; {
			r := &runs[0]
			n := min(r.n, end-done)
			p.runs = append(p.runs, run{a: r.a, b: r.b, n: n})
			if done += n; n == r.n {
				runs = runs[1:]
			} else {
				*r = run{a: r.a + n, b: r.b + n, n: r.n - n}
			}
		}
		p.chunks = append(p.chunks, span{begin, len(p.runs)})
	}
	p.pixels = append(p.pixels, span{first, len(p.chunks)})
	p.deepest = max(p.deepest, count)
}
