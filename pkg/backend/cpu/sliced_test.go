package cpu_test

import (
	"fmt"
	"slices"
	"testing"

	"odepipe/pkg/backend"
	"odepipe/pkg/tensor"
)

// TestSumsOverManySamplesAgreeWithTheReference has batches that are summed in slices, of equal and of unequal lengths, and
// results that do not fill whole tiles and panels. They are the same bits on any number of threads.
func TestSumsOverManySamplesAgreeWithTheReference(t *testing.T) {
	first := map[string][]float32{}
	eachSet(t, func(b bench) {
		for _, n := range []int{129, 256, 515, 1030} {
			for _, g := range []backend.Conv{backend.Linear(32, 20, false, true), backend.Linear(7, 65, false, false), backend.Linear(1, 1, false, true)} {
				dy, x := b.random(n, tensor.Of(g.Out)), b.random(n, tensor.Of(g.In))
				dw, sum := b.random(0, tensor.Of(g.Out, g.In)), b.random(0, tensor.Of(g.Out))
				gramX, gramY := b.random(0, tensor.Of(g.GramSize(), g.GramSize())), b.random(0, tensor.Of(g.Out, g.Out))
				for _, be := range []struct {
					backend.Backend
					of func(twin) tensor.T
				}{{b.fast, func(w twin) tensor.T { return w.fast }}, {b.exact, func(w twin) tensor.T { return w.exact }}} {
					be.ConvGrad(be.of(dw), g, be.of(dy), be.of(x))
					be.SumBatch(be.of(sum), be.of(dy), nil)
					be.PatchGram(be.of(gramX), g, be.of(x), []float64{0})
					be.CotangentGram(be.of(gramY), g, be.of(dy))
				}
				for what, w := range map[string]twin{"weight gradient": dw, "sum": sum, "patch Gram matrix": gramX, "cotangent Gram matrix": gramY} {
					what = fmt.Sprintf("%s of %d samples, %d to %d", what, n, g.In, g.Out)
					b.agree(what, w, n)
					key := b.fast.Kernels() + what
					if first[key] == nil {
						first[key] = slices.Clone(w.fast.Buf.F32)
					} else if !slices.Equal(first[key], w.fast.Buf.F32) {
						b.Errorf("%s depends on the number of threads", what)
					}
				}
			}
		}
	})
}
