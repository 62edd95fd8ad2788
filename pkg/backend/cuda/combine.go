package cuda

import (
	"slices"

	"odepipe/pkg/tensor"
)

// maxTerms is the number of terms that a kernel takes.
const maxTerms = 16

// term is one addend of a linear combination, with one coefficient or one for each sample.
type term struct {
	x    span
	coef float64
	each []float64
}

// Combine writes dst = sum_i coef[i] x[i].
func (be *Backend) Combine(dst tensor.T, coef []float64, x ...tensor.T) {
	be.gather(dst, coef, x)
	n := dst.Size()
	for group, more := range be.groups(dst) {
		c := be.call("combine").tensor(dst).ints(n, more, len(group))
		addTerms(c, group).each(n)
	}
}

// gather collects the terms with a coefficient other than 0 in be.terms.
func (be *Backend) gather(like tensor.T, coef []float64, x []tensor.T) {
	mustMatch(len(coef), len(x))
	be.terms = be.terms[:0]
	for i, c := range coef {
		if c != 0 {
			sameSize(like, x[i])
			be.terms = append(be.terms, term{x: numbers(x[i]), coef: c})
		}
	}
}

// groups yields the terms in groups for one launch each, and whether earlier ones are to be kept, 0 or 1. The first has the
// terms that are dst itself; without terms there is one empty group.
func (be *Backend) groups(dst tensor.T) func(func([]term, int) bool) {
	slices.SortStableFunc(be.terms, func(a, b term) int {
		switch at := dst.Buf.Device; {
		case a.x.address == at && b.x.address != at:
			return -1
		case a.x.address != at && b.x.address == at:
			return 1
		}
		return 0
	})
	return func(yield func([]term, int) bool) {
		first := min(len(be.terms), maxTerms)
		if !yield(be.terms[:first], 0) {
			return
		}
		for rest := range slices.Chunk(be.terms[first:], maxTerms) {
			if !yield(rest, 1) {
				return
			}
		}
	}
}

// addTerms adds the kernels' TERMS and COEFFICIENTS.
func addTerms(c *call, terms []term) *call {
	addTensors(c, terms)
	for k := range maxTerms {
		if k < len(terms) {
			c.float(terms[k].coef)
		} else {
			c.float(0)
		}
	}
	return c
}

// addTensors adds the kernels' TERMS.
func addTensors(c *call, terms []term) *call {
	for k := range maxTerms {
		if k < len(terms) {
			c.span(terms[k].x)
		} else {
			c.span(span{})
		}
	}
	return c
}

// CombineEach writes dst[n] = sum_i coef[i][n] x[i][n].
func (be *Backend) CombineEach(dst tensor.T, coef [][]float64, x ...tensor.T) {
	mustMatch(len(coef), len(x))
	be.terms = be.terms[:0]
	for i, c := range coef {
		if c != nil {
			mustMatch(len(c), dst.N)
			sameSize(dst, x[i])
			be.terms = append(be.terms, term{x: numbers(x[i]), each: c})
		}
	}
	n := dst.Size()
	for group, more := range be.groups(dst) {
		mark := be.Mark()
		table := be.take(len(group) * dst.N)
		be.write(table, be.table(group, dst.N))
		c := be.call("combineEach").tensor(dst).ints(n, dst.Shape.Size(), dst.N, more).span(table).ints(len(group))
		addTensors(c, group).each(n)
		be.Release(mark)
	}
}

// table is the coefficients [term][sample], until host memory is used again.
func (be *Backend) table(terms []term, samples int) []float32 {
	table := be.scratch(len(terms) * samples)
	for k, t := range terms {
		for n, v := range t.each {
			table[k*samples+n] = float32(v)
		}
	}
	return table
}

// Multiply writes dst = x y, y being like x or an image.
func (be *Backend) Multiply(dst, x, y tensor.T) {
	sameSize(dst, x)
	if y.N == 0 {
		sameImage(x, y)
	} else {
		sameSize(x, y)
	}
	be.call("multiply").tensor(dst).ints(dst.Size()).tensor(x).tensor(y).ints(y.Size()).each(dst.Size())
}
