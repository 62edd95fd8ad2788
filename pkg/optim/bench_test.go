package optim_test

import (
	"fmt"
	"math/rand"
	"testing"

	"odepipe/pkg/backend/cpu"
	"odepipe/pkg/kfac"
	"odepipe/pkg/optim"
	"odepipe/pkg/tensor"
)

// BenchmarkStep is SNOpt's share of an iteration on the paper's MNIST model, and that of a refresh.
func BenchmarkStep(b *testing.B) {
	p := &problem{be: cpu.New(0)}
	rng := rand.New(rand.NewSource(1))
	grads, factors := map[string]tensor.T{}, map[string]kfac.Factors{}
	for _, l := range []struct {
		name       string
		weight     tensor.Shape
		out, fanIn int
		bias       bool
	}{
		{"conv1", tensor.Of(64, 1, 3, 3), 64, 9, false},
		{"conv2", tensor.Of(64, 64, 4, 4), 64, 1024, false},
		{"conv3", tensor.Of(64, 64, 4, 4), 64, 1024, false},
		{"ode.conv1", tensor.Of(64, 65, 3, 3), 64, 585, true},
		{"ode.conv2", tensor.Of(64, 65, 3, 3), 64, 585, true},
		{"fc", tensor.Of(10, 64), 10, 64, true},
	} {
		layer, k := optim.Layer{Name: l.name, Weight: l.name + ".weight"}, l.fanIn
		add := func(name string, shape tensor.Shape) {
			p.params = append(p.params, optim.Param{Name: name, Value: p.upload(shape, normal(shape.Size(), rng))})
			grads[name] = p.upload(shape, normal(shape.Size(), rng))
		}
		add(layer.Weight, l.weight)
		if l.bias {
			layer.Bias, k = l.name+".bias", k+1
			add(layer.Bias, tensor.Of(l.out))
		}
		p.layers = append(p.layers, layer)
		x := p.upload(tensor.Of(k, k), normal(k*k, rng))
		a := p.be.Plain(tensor.Of(k, k))
		p.be.Gemm(a, false, x, true, x)
		factors[l.name] = kfac.Factors{A: a, B: p.upload(tensor.Of(l.out, l.out), gram(l.out, rng))}
	}
	for _, freq := range []int64{1, 1 << 40} {
		o, err := optim.New(p.be, optim.Settings{Freq: freq}, optim.Parts{Params: p.params, Layers: p.layers}, 2)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := o.Step(0, optim.Batch{Size: 128, Grads: grads, Factors: factors}); err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("freq=%d", freq), func(b *testing.B) {
			for i := 0; i < b.N; i++ {
				if _, err := o.Step(int64(i+1), optim.Batch{Size: 128, Grads: grads, Factors: factors}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
