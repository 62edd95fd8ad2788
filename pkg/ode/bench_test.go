package ode_test

import (
	"testing"

	"odepipe/pkg/backend/cpu"
	"odepipe/pkg/ode"
	"odepipe/pkg/tensor"
)

// The solver's own cost by dopri5: the field is one scaling. Small states show the cost of a step, large ones that of
// combining slopes.
func BenchmarkDopri5(b *testing.B) {
	for name, size := range map[string]int{"small": 2, "large": 2304} {
		b.Run(name, func(b *testing.B) {
			be := cpu.New(1)
			defer be.Close()
			y := be.Batch(128, tensor.Of(size))
			host := make([]float64, 128*size)
			for i := range host {
				host[i] = float64(i%17) - 8
			}
			be.Upload(y, tensor.Buffer{F64: host})
			p := ode.Problem{Field: decay{be}}
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				mark := be.Mark()
				if _, _, err := ode.Solve(be, p, ode.State{y}, 0, 10, ode.Options{RTol: 1e-4, ATol: 1e-4}, nil); err != nil {
					b.Fatal(err)
				}
				be.Release(mark)
			}
		})
	}
}
