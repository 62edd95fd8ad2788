package nn_test

import (
	"testing"

	"odepipe/pkg/nn"
	"odepipe/pkg/tensor"
	"odepipe/pkg/testkit"
)

// A batch is so many batches of one sample: with a time of each sample, and with one for all, whose Dt may be asked for
// by sample as well.
func TestABatchIsItsSamples(t *testing.T) {
	for _, c := range chains {
		for name, times := range timesOf(samples) {
			t.Run(c.name+", "+name, func(t *testing.T) {
				p := newPoint(t, c.specs, c.in, times)
				dy := testkit.Normal(6, samples*p.chain.Out.Size())
				y, all := p.vjpEach(dy)
				for n := range samples {
					one := p
					one.t = times[n%len(times) : n%len(times)+1]
					one.x = p.x[n*c.in.Size():][:c.in.Size()]
					size := p.chain.Out.Size()
					ofOne, got := one.vjpEach(dy[n*size:][:size])
					testkit.Close(t, "y", y[n*size:][:size], ofOne, 1e-13, 0)
					testkit.Close(t, "dx", p.numbers(all.Dx)[n*c.in.Size():][:c.in.Size()], p.numbers(got.Dx), 1e-13, 0)
					testkit.Close(t, "dt", all.Dt[n:n+1], got.Dt, 1e-13, 0)
					for i, w := range got.Params {
						testkit.Close(t, "dparams by sample", p.numbers(all.Each[i])[n*w.Size():][:w.Size()], p.numbers(w), 1e-13, 0)
					}
				}
			})
		}
	}
}

// vjpEach is y and all that can be asked for of its cotangents, Dt by sample.
func (p point) vjpEach(dy []float64) ([]float64, nn.Cotangents) {
	bound, y, x := p.bind()
	bound.AllowVJP()
	bound.Forward(y, p.t, x)
	want := p.wanted()
	want.Dt = make([]float64, x.N)
	for _, w := range want.Params {
		want.Each = append(want.Each, p.be.Batch(x.N, tensor.Of(w.Size())))
	}
	bound.VJP(want, p.batch(p.chain.Out, dy))
	return p.numbers(y), want
}
