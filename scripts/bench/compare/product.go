package main

import (
	"time"

	"odepipe/pkg/backend/cpu"
	"odepipe/pkg/tensor"
)

// productSides are the sides of the square matrices whose products are tried, and productTime how long each.
var productSides = []int{384, 585, 860, 1152}

const productTime = 200 * time.Millisecond

// bestProduct is the highest rate of a matrix product by our own kernels, in operations a second.
func bestProduct(threads int) float64 {
	be := cpu.New(threads)
	defer be.Close()
	best := 0.0
	for _, n := range productSides {
		mark := be.Mark()
		x, y, z := be.Plain(tensor.Of(n, n)), be.Plain(tensor.Of(n, n)), be.Plain(tensor.Of(n, n))
		for _, t := range []tensor.T{x, y} {
			for i := range t.Buf.F32 {
				t.Buf.F32[i] = float32(i%7) - 3
			}
		}
		for began := time.Now(); time.Since(began) < productTime; {
			start := time.Now()
			be.Gemm(z, false, x, false, y)
			best = max(best, 2*float64(n)*float64(n)*float64(n)/time.Since(start).Seconds())
		}
		be.Release(mark)
	}
	return best
}
