package cpu

import (
	"slices"

	"odepipe/pkg/backend"
)

// gramPlan says how the Gram matrix of patches is put together. With q the pixel of x under tap s, the block of the
// matrix of the taps s <= t is
//
//	sum over q in a rectangle of X[q] X[q + d]^T,   d = t - s
//
// The rectangle holds the pixels q that s meets for some output position, such that q + d is inside too; with stride S
// only every S-th row and column. All pairs of one d (and one residue of s modulo S) sum the same products over rectangles
// that differ at their rims only. So the rectangles are cut, along each axis, at one another's ends; each region between
// the cuts is contracted once, and a pair adds up the regions inside its rectangle. A 3 x 3 window has 45 pairs with s <= t
// and 13 displacements d.
type gramPlan struct {
	dot     dotPlan // one contraction for each region
	regions [][]int // for each pair s Kernel^2 + t, s <= t
}

// axisPart is a range of pixels res + S m, m in the span, along one axis, paired with the pixels d further.
type axisPart struct {
	d, res int
	m      span
}

// region is a rectangle of such pixels.
type region struct{ row, column axisPart }

func planGram(g backend.Conv) *gramPlan {
	window := g.Kernel * g.Kernel
	p := &gramPlan{regions: make([][]int, window*window)}
	rows, columns := axisParts(g, g.H, g.OH()), axisParts(g, g.W, g.OW())
	numbers := map[region]int{}
	var all []region
	for distance := 0; distance < window; distance++ { // d = 0, whose contractions are symmetric, first
		for s := 0; s+distance < window; s++ {
			t := s + distance
			pair := &p.regions[s*window+t]
			for _, r := range rows[s/g.Kernel][t/g.Kernel] {
				for _, c := range columns[s%g.Kernel][t%g.Kernel] {
					number, known := numbers[region{r, c}]
					if !known {
						number = len(all)
						numbers[region{r, c}] = number
						all = append(all, region{r, c})
					}
					*pair = append(*pair, number)
				}
			}
		}
		if distance == 0 {
			p.dot.symmetric = len(all)
		}
	}
	p.dot.planRegions(g, all)
	return p
}

// axisParts cuts, for each two window indices a, b along one axis, the pixels where both are inside.
func axisParts(g backend.Conv, size, count int) [][][]axisPart {
	whole := make([][]axisPart, g.Kernel) // the uncut range of each pair
	cuts := map[axisPart][]int{}          // for each displacement and residue, with an empty span
	for a := range whole {
		whole[a] = make([]axisPart, g.Kernel)
		for b := range whole[a] {
			first := a - g.Padding // pixel of output index 0
			res := (first%g.Stride + g.Stride) % g.Stride
			m := meet(outputs(g, a, size, count), outputs(g, b, size, count))
			shift := (first - res) / g.Stride
			whole[a][b] = axisPart{d: b - a, res: res, m: span{m.lo + shift, m.hi + shift}}
			if m.lo < m.hi {
				key := axisPart{d: b - a, res: res}
				cuts[key] = append(cuts[key], m.lo+shift, m.hi+shift)
			}
		}
	}
	parts := make([][][]axisPart, g.Kernel)
	for a := range whole {
		parts[a] = make([][]axisPart, g.Kernel)
		for b, w := range whole[a] {
			ends := slices.Clone(cuts[axisPart{d: w.d, res: w.res}])
			slices.Sort(ends)
			ends = slices.Compact(ends)
			for i := 1; i < len(ends); i++ {
				if w.m.lo <= ends[i-1] && ends[i] <= w.m.hi {
					parts[a][b] = append(parts[a][b], axisPart{d: w.d, res: w.res, m: span{ends[i-1], ends[i]}})
				}
			}
		}
	}
	return parts
}

// planRegions makes p the contractions of x with itself over the regions.
func (p *dotPlan) planRegions(g backend.Conv, all []region) {
	p.count, p.sizeA, p.sizeB, p.stepA, p.stepB = len(all), g.H*g.W, g.H*g.W, g.Stride, g.Stride
	chunks := min(g.H, chunksFor(g.H*g.W))
	for chunk := 0; chunk < chunks; chunk++ {
		first, last := share(g.H, chunk, chunks)
		for _, r := range all {
			begin := len(p.runs)
			for m := r.row.m.lo; m < r.row.m.hi; m++ {
				h, w := r.row.res+g.Stride*m, r.column.res+g.Stride*r.column.m.lo
				if h >= first && h < last {
					p.addRow(run{a: h*g.W + w, b: (h+r.row.d)*g.W + w + r.column.d, n: r.column.m.hi - r.column.m.lo})
				}
			}
			p.chunks = append(p.chunks, span{begin, len(p.runs)})
		}
	}
}
