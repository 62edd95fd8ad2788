package cpu

import "odepipe/pkg/backend"

// dotPlan is a set of contractions for the dot kernel. Contraction t of a block is
//
//	sum_t[i][j] = sum over runs, n, lanes of a[run.a + n step_a][i][lane] b[run.b + n step_b][j][lane]
//
// over positions (pixels) of two images. The runs of all contractions are cut into the same chunks of about
// chunkPositions positions, so that the part of a that a chunk reads stays in the first-level cache.
type dotPlan struct {
	count        int // of contractions
	sizeA, sizeB int // positions of a block
	stepA, stepB int
	runs         []run
	chunks       []span // of runs: [chunk][contraction]
	symmetric    int    // so many contractions, the first, are of an image with itself: the upper triangle suffices
}

const chunkPositions = 52

// chunksFor is the number of chunks for so many positions.
func chunksFor(positions int) int { return max(1, (positions+chunkPositions-1)/chunkPositions) }

// planGrad: contraction (u, v) pairs each output pixel (i, j) with the input pixel under the tap (u, v).
func planGrad(g backend.Conv) *dotPlan {
	oh, ow := g.OH(), g.OW()
	p := &dotPlan{count: g.Kernel * g.Kernel, sizeA: oh * ow, sizeB: g.H * g.W, stepA: 1, stepB: g.Stride}
	chunks := min(oh, chunksFor(oh*ow))
	for chunk := 0; chunk < chunks; chunk++ {
		first, last := share(oh, chunk, chunks)
		for tap := 0; tap < p.count; tap++ {
			u, v := tap/g.Kernel, tap%g.Kernel
			rows, columns := outputs(g, u, g.H, oh), outputs(g, v, g.W, ow)
			begin := len(p.runs)
			for i := max(first, rows.lo); i < min(last, rows.hi); i++ {
				h, w := i*g.Stride+u-g.Padding, columns.lo*g.Stride+v-g.Padding
				p.addRow(run{a: i*ow + columns.lo, b: h*g.W + w, n: columns.hi - columns.lo})
			}
			p.chunks = append(p.chunks, span{begin, len(p.runs)})
		}
	}
	return p
}

// addRow adds the positions of a row, unless there are none.
func (p *dotPlan) addRow(r run) {
	if r.n <= 0 {
		return
	}
	p.runs = append(p.runs, r)
}

// planSelf: the one contraction of an image with itself, position by position.
func planSelf(positions int) *dotPlan {
	p := &dotPlan{count: 1, sizeA: positions, sizeB: positions, stepA: 1, stepB: 1, symmetric: 1}
	chunks := chunksFor(positions)
	for chunk := 0; chunk < chunks; chunk++ {
		first, last := share(positions, chunk, chunks)
		p.addRow(run{a: first, b: first, n: last - first})
		p.chunks = append(p.chunks, span{chunk, chunk + 1})
	}
	return p
}
