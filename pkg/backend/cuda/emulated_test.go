//go:build !cuda

package cuda_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"odepipe/pkg/backend"
	"odepipe/pkg/backend/cuda"
	"odepipe/pkg/tensor"
)

func TestSmallProductsAreCutIntoSlices(t *testing.T) {
	be := cuda.NewDevice(t)
	g := backend.Conv{In: 30, Out: 26, H: 6, W: 6, Kernel: 3, Stride: 1, Padding: 1, Time: true, Bias: true}
	before := be.Launches("fold")
	agree(t, "a convolution", be, func(s *side) { affine(s, g, 3) })
	if be.Launches("fold") < before+4 {
		t.Errorf("%d sums of slices", be.Launches("fold")-before)
	}
}

func TestLargeProductsGoToCuBLAS(t *testing.T) {
	be := cuda.NewDeviceWithBLAS(t)
	products(t, be, [3]int{170, 165, 180})
	if be.Launches("sgemm") != 4 {
		t.Errorf("%d products of matrices, not 4", be.Launches("sgemm"))
	}
	agree(t, "a linear layer", be, func(s *side) { affine(s, backend.Linear(180, 190, true, true), 160) })
	if be.Launches("sgemm") != 8 {
		t.Errorf("%d products of a linear layer, not 4", be.Launches("sgemm")-4)
	}
}

func TestTheFirstFailureStays(t *testing.T) {
	cases := []struct {
		name string
		fail func(be *cuda.Backend)
		want string
	}{
		{"memory that is not there", func(be *cuda.Backend) {
			be.Limit(0)
			be.Plain(tensor.Of(1 << 20))
		}, "cuda: 4 MiB of memory: out of memory"},
		{"a tensor beyond counting", func(be *cuda.Backend) { be.Batch(1<<16, tensor.Of(1<<15)) }, cuda.ErrTooLarge.Error()},
		{"an access beyond the end", func(be *cuda.Backend) {
			image, weight := be.Plain(tensor.Of(1, 1, 8)), be.Plain(tensor.Of(8, 1)) // of 8 x 2 weights
			be.BiasImage(image, backend.Linear(1, 8, true, true), weight, tensor.T{}, 1)
		}, "cuda: kernel biasImage: biasImage: element out of bounds ("},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			be := cuda.NewDevice(t)
			x := be.Plain(tensor.Of(4))
			c.fail(be)
			if err := be.Err(); err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Fatalf("got %v, want %s", err, c.want)
			}
			first := be.Err()
			be.Combine(be.Plain(tensor.Of(1<<21)), nil)
			sums := []float64{1}
			be.Dot(sums, x, x)
			numbers := []float64{1, math.NaN(), 3, 4}
			be.Download(tensor.Buffer{F64: numbers}, x)
			if !errors.Is(be.Err(), first) || sums[0] != 1 || numbers[0] != 0 || numbers[1] != 0 {
				t.Errorf("afterwards %v, sum %v, numbers %v", be.Err(), sums, numbers)
			}
		})
	}
}
