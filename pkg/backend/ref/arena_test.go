package ref_test

import (
	"math"
	"testing"

	"odepipe/pkg/backend"
	"odepipe/pkg/backend/ref"
	"odepipe/pkg/tensor"
	"odepipe/pkg/testkit"
)

func TestMemoryIsAStack(t *testing.T) {
	be := ref.New()
	kept := plain(be, []float64{1, 2, 3}, 3)
	mark := be.Mark()
	gone := be.Plain(tensor.Of(2))
	be.Release(mark)
	again := be.Plain(tensor.Of(2))
	if &again.Buf.F64[0] != &gone.Buf.F64[0] {
		t.Error("released memory is not used again")
	}
	if !math.IsNaN(again.Buf.F64[0]) || !math.IsNaN(again.Buf.F64[1]) {
		t.Error("fresh memory is not NaN")
	}
	if _ = append(kept.Buf.F64, 9); !math.IsNaN(again.Buf.F64[0]) {
		t.Error("tensors run into each other")
	}
	testkit.Close(t, "kept", kept.Buf.F64, []float64{1, 2, 3}, 0, 0)
}

// Tensors larger than a chunk, and many small ones, keep their places while the arena grows and is used again.
func TestMemoryGrows(t *testing.T) {
	be := ref.New()
	mark := be.Mark()
	for round := range 2 {
		var all []tensor.T
		for i, size := range []int{10, 200_000, 100_000, 0, 1 << 20, 3, 250_000, 1 << 18} {
			one := be.Batch(1, tensor.Of(size+round*1000))
			for j := range one.Buf.F64 {
				one.Buf.F64[j] = float64(i)
			}
			all = append(all, one)
		}
		for i, one := range all {
			for _, v := range one.Buf.F64 {
				if v != float64(i) {
					t.Fatalf("round %d: tensor %d was overwritten by %v", round, i, v)
				}
			}
		}
		be.Release(mark)
	}
	again := testing.AllocsPerRun(3, func() {
		be.Plain(tensor.Of(1 << 18))
		be.Plain(tensor.Of(1 << 18))
		be.Release(mark)
	})
	if again != 0 {
		t.Errorf("%v allocations in the steady state", again)
	}
}

func TestMisuseIsOurBug(t *testing.T) {
	be := ref.New()
	two, three := plain(be, []float64{1, 2}, 2), plain(be, []float64{1, 2, 3}, 3)
	cases := map[string]func(){
		"sizes that disagree":        func() { be.Combine(two, []float64{1}, three) },
		"terms without coefficients": func() { be.Combine(two, nil, two) },
		"a buffer of another backend": func() {
			be.Dot(make([]float64, 1), two, tensor.T{Buf: tensor.Buffer{F32: []float32{1, 2}}, Shape: tensor.Of(2)})
		},
		"a product that does not fit": func() {
			be.Gemm(plain(be, make([]float64, 4), 2, 2), false, two.Reshaped(tensor.Of(1, 2)), false, two.Reshaped(tensor.Of(1, 2)))
		},
		"an empty batch":           func() { be.Batch(0, tensor.Of(1)) },
		"a mark already released":  func() { be.Release(backend.Mark{Chunk: 1}) },
		"an image of another size": func() { be.AvgPool(be.Batch(1, tensor.Of(1, 1, 1)), 2, be.Batch(1, tensor.Of(1, 4, 4))) },
		"a batch of another size": func() {
			be.ConvForward(be.Batch(2, tensor.Of(1)), backend.Linear(1, 1, false, false), be.Pack(backend.Linear(1, 1, false, false), plain(be, []float64{1}, 1, 1)), tensor.T{}, be.Batch(1, tensor.Of(1)))
		},
	}
	for name, misuse := range cases {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			misuse()
		})
	}
}

// plain is a plain tensor of the numbers.
func plain(be backend.Backend, v []float64, dims ...int) tensor.T {
	t := be.Plain(tensor.Of(dims...))
	be.Upload(t, tensor.Buffer{F64: v})
	return t
}

// batch is a batch of the numbers in row-major order [N, shape...].
func batch(be backend.Backend, v []float64, n int, dims ...int) tensor.T {
	t := be.Batch(n, tensor.Of(dims...))
	be.Upload(t, tensor.Buffer{F64: v})
	return t
}

// download is what t holds, in row-major order.
func download(be backend.Backend, t tensor.T) []float64 {
	v := make([]float64, t.Size())
	be.Download(tensor.Buffer{F64: v}, t)
	return v
}
