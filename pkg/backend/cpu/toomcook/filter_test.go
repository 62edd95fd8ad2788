package toomcook_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"odepipe/pkg/backend/cpu/toomcook"
	"odepipe/pkg/testkit"
)

func apply(m [][]float64, x []float64) []float64 {
	y := make([]float64, len(m))
	for i, row := range m {
		for j, v := range row {
			y[i] += v * x[j]
		}
	}
	return y
}

func TestFiltersComputeTheirOutputs(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for i, f := range toomcook.Filters {
		if len(f.Data) != f.Size+f.Taps-1 || f.Products() != len(f.Data) || toomcook.Number(f.Size, f.Taps) != i {
			t.Fatalf("filter %d is F(%d, %d) with %d products", i, f.Size, f.Taps, len(f.Data))
		}
		d, g := make([]float64, f.Products()), make([]float64, f.Taps)
		for _, s := range [][]float64{d, g} {
			for i := range s {
				s[i] = rng.NormFloat64()
			}
		}
		want := make([]float64, f.Size)
		for k := range want {
			for u, v := range g {
				want[k] += v * d[k+u]
			}
		}
		products := apply(f.Data, d)
		for i, v := range apply(f.Weight, g) {
			products[i] *= v
		}
		testkit.Close(t, fmt.Sprintf("F(%d, %d)", f.Size, f.Taps), apply(f.Output, products), want, 1e-13, 0)
	}
}

func TestTransposeTurnsRowsIntoColumns(t *testing.T) {
	got := fmt.Sprint(toomcook.Transpose([][]float64{{1, 2, 3}, {4, 5, 6}}))
	if got != "[[1 4] [2 5] [3 6]]" {
		t.Error(got)
	}
}
