package nn_test

import (
	"fmt"
	"testing"

	"odepipe/pkg/backend/cpu"
	"odepipe/pkg/nn"
	"odepipe/pkg/tensor"
	"odepipe/pkg/testkit"
)

// BenchmarkGRUCell runs the cells of the paper's time series: CharT, ArtWR, SpoAD.
func BenchmarkGRUCell(b *testing.B) {
	for _, size := range [][3]int{{512, 7, 32}, {256, 19, 64}, {128, 27, 32}} {
		for _, threads := range []int{1, 2} {
			be := cpu.New(threads)
			n, x, h := size[0], tensor.Of(size[1]), tensor.Of(size[2])
			g := gru{be: be, cell: nn.NewGRUCell("rnn", size[1], size[2]), n: n}
			count := 0
			for _, p := range g.cell.Params() {
				count += p.Shape.Size()
			}
			bound := g.cell.Bind(be, n, g.plains(testkit.Normal(1, count)))
			in, state := g.upload(be.Batch(n, x), testkit.Normal(2, n*x.Size())), g.upload(be.Batch(n, h), testkit.Normal(3, n*h.Size()))
			hnext := be.Batch(n, h)
			want := nn.GRUCotangents{Dh: be.Batch(n, h), Params: g.plains(make([]float64, count))}
			b.Run(fmt.Sprintf("%v/forward/%d", size, threads), func(b *testing.B) {
				for range b.N {
					bound.Forward(hnext, in, state)
				}
			})
			b.Run(fmt.Sprintf("%v/backward/%d", size, threads), func(b *testing.B) {
				for range b.N {
					bound.VJP(want, hnext)
				}
			})
			be.Close()
		}
	}
}

// BenchmarkField runs fields of the paper: linear layers of time series, gated ones of flows.
func BenchmarkField(b *testing.B) {
	wide := func(kind, function string, widths ...int) []nn.Spec {
		var specs []nn.Spec
		for i := range len(widths) - 1 {
			if i > 0 {
				specs = append(specs, nn.Spec{Type: function})
			}
			specs = append(specs, nn.Spec{Type: kind, Name: fmt.Sprint("c", i), In: widths[i], Out: widths[i+1]})
		}
		return specs
	}
	for _, f := range []struct {
		name  string
		n     int
		specs []nn.Spec
	}{
		{"CharT", 512, wide("linear", "tanh", 32, 32, 32, 32, 32)},
		{"ArtWR", 256, wide("linear", "tanh", 64, 64, 64, 64, 64)},
		{"SpoAD", 128, wide("linear", "tanh", 32, 32, 32, 32, 32)},
		{"MINIBOONE", 128, wide("concatsquash", "softplus", 43, 860, 860, 43)},
		{"MINIBOONE without gates", 128, wide("linear", "softplus", 43, 860, 860, 43)},
		{"GAS", 1000, wide("concatsquash", "tanh", 8, 160, 160, 160, 8)},
		{"GAS without gates", 1000, wide("linear", "tanh", 8, 160, 160, 160, 8)},
	} {
		for _, threads := range []int{1, 2} {
			be := cpu.New(threads)
			chain, err := nn.NewChain(f.specs, tensor.Of(f.specs[0].In))
			if err != nil {
				b.Fatal(err)
			}
			p := point{be: be, chain: chain}
			count := 0
			for _, p := range chain.Params() {
				count += p.Shape.Size()
			}
			values := testkit.Normal(1, count)
			for i := range values {
				values[i] *= 0.1
			}
			bound := chain.Bind(be, f.n, p.plains(values))
			bound.AllowVJP()
			bound.AllowJVP()
			x, probe := p.batch(chain.In, testkit.Normal(2, f.n*chain.In.Size())), p.batch(chain.In, testkit.Normal(3, f.n*chain.In.Size()))
			y, dx := be.Batch(f.n, chain.Out), be.Batch(f.n, chain.In)
			want := nn.Cotangents{Dx: dx, Params: p.plains(values), Dt: []float64{0}}
			time := []float64{0.3}
			bound.Forward(y, time, x)
			bound.JVP(probe, nn.Direction{Dx: x})
			for _, op := range []struct {
				name string
				run  func()
			}{
				{"forward", func() { bound.Forward(y, time, x) }},
				{"backward", func() { bound.VJP(want, y) }},
				{"tangent", func() { bound.JVP(dx, nn.Direction{Dx: probe}) }},
				{"pair", func() { bound.PairVJP(want, tensor.T{}, y, probe) }},
			} {
				b.Run(fmt.Sprintf("%s/%s/%d", f.name, op.name, threads), func(b *testing.B) {
					b.ReportAllocs()
					for range b.N {
						op.run()
					}
				})
			}
			be.Close()
		}
	}
}
