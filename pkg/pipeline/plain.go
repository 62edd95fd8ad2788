package pipeline

import (
	"odepipe/pkg/adjoint"
	"odepipe/pkg/backend"
	"odepipe/pkg/model"
	"odepipe/pkg/nn"
	"odepipe/pkg/tensor"
)

// Plain layers treat each sample alone, so that a segment of them runs on a group of samples after the other, and only one
// group's activations are in memory. What is summed over the samples is summed over the groups, in order.

// plainBytes bounds the activations of a group: those of few samples stay in the processor's caches, too.
const plainBytes = 8 << 20

// groupOf is the number of samples of a group.
func groupOf(s model.Segment) int {
	const bytes = 4
	fit := plainBytes / (bytes * max(1, s.Chain.Elements()))
	return max(1, fit/backend.Group) * backend.Group
}

// inGroups calls visit for each group of a plain segment, with the layers bound to its samples; back says that they are to
// have room for cotangents.
func (b *blocks) inGroups(s model.Segment, back bool, visit func(bound *nn.Bound, first, n int)) {
	mark := b.be.Mark()
	defer b.be.Release(mark)
	size := groupOf(s)
	var bound *nn.Bound
	for first := 0; first < b.rows; first += size {
		n := min(size, b.rows-first)
		if bound == nil || n < size {
			b.be.Release(mark)
			bound = s.Chain.Bind(b.be, n, b.weights.chain(s))
			if back {
				bound.AllowVJP()
			}
		}
		visit(bound, first, n)
	}
}

// plain writes what a plain segment makes of x.
func (b *blocks) plain(s model.Segment, y, x tensor.T) {
	b.inGroups(s, false, func(bound *nn.Bound, first, n int) {
		bound.Forward(b.be.View(y, first, n, y.Shape), atZero, b.be.View(x, first, n, x.Shape))
	})
}

// plainBack is the way back through a plain segment that has not been run forwards: it writes dx, unless that is the zero
// T, and the gradients of the parameters, and samples factors if there are any.
func (b *blocks) plainBack(s model.Segment, dx, dy, x tensor.T, grads []tensor.T, factors *adjoint.Factors) {
	mark := b.be.Mark()
	defer b.be.Release(mark)
	want := nn.Cotangents{}
	for _, g := range grads {
		b.be.Combine(g, nil)
		want.Params = append(want.Params, b.be.Plain(g.Shape))
	}
	b.inGroups(s, true, func(bound *nn.Bound, first, n int) {
		bound.Inputs(atZero, b.be.View(x, first, n, x.Shape))
		if dx.N > 0 {
			want.Dx = b.be.View(dx, first, n, dx.Shape)
		}
		if factors != nil {
			want.Tap = b.gradientTap(factors, n)
		}
		bound.VJP(want, b.be.View(dy, first, n, dy.Shape))
		for k, g := range grads {
			b.be.Combine(g, []float64{1, 1}, g, want.Params[k])
		}
	})
}

// gradientTap samples the factors of plain layers from n of the samples, where the gradient of the mean loss is the only
// vector: it carries the 1/rows of the mean.
func (b *blocks) gradientTap(factors *adjoint.Factors, n int) nn.Tap {
	rows := float64(b.rows)
	share := float64(n) / rows
	return factors.Tap(share, share*rows*rows)
}
