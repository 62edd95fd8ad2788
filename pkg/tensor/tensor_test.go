package tensor_test

import (
	"slices"
	"testing"

	"odepipe/pkg/tensor"
)

func TestShapes(t *testing.T) {
	cases := []struct {
		dims []int
		size int
		text string
	}{
		{nil, 1, "[]"},
		{[]int{5}, 5, "[5]"},
		{[]int{0}, 0, "[0]"},
		{[]int{2, 0, 3}, 0, "[2, 0, 3]"},
		{[]int{64, 65, 3, 3}, 64 * 65 * 9, "[64, 65, 3, 3]"},
	}
	for _, c := range cases {
		s := tensor.Of(c.dims...)
		if s.Size() != c.size || s.String() != c.text || !slices.Equal(s.Dims(), c.dims) || s.Rank != len(c.dims) {
			t.Errorf("%v: size %d, text %s, dims %v, rank %d", c.dims, s.Size(), s, s.Dims(), s.Rank)
		}
		if s != tensor.Of(c.dims...) || s == tensor.Of(7, 7) {
			t.Errorf("%v: == does not compare shapes", c.dims)
		}
	}
	if (tensor.Shape{}) != tensor.Of() {
		t.Error("the zero shape is not a scalar")
	}
	s := tensor.Of(2, 3)
	s.Dims()[0] = 9
	if s != tensor.Of(2, 3) {
		t.Error("Dims gives the shape's own memory away")
	}
}

func TestBuffersOfBothTypes(t *testing.T) {
	for _, d := range []tensor.DType{tensor.Float32, tensor.Float64} {
		b := d.Make(4)
		if b.Len() != 4 || (b.F32 != nil) == (b.F64 != nil) || (b.F64 != nil) != (d == tensor.Float64) {
			t.Fatalf("%s: Make gives %+v", d, b)
		}
		b.Set(1, 0.1)
		want := 0.1
		if d == tensor.Float32 {
			want = float64(float32(0.1))
		}
		if b.At(0) != 0 || b.At(1) != want {
			t.Errorf("%s: elements are %g and %g, want 0 and %g", d, b.At(0), b.At(1), want)
		}
		part := b.Slice(1, 3)
		part.Set(1, 2)
		if part.Len() != 2 || part.At(0) != want || b.At(2) != 2 {
			t.Errorf("%s: a slice is %+v of %+v", d, part, b)
		}
		if empty := d.Make(0); empty.Len() != 0 || empty.Slice(0, 0).Len() != 0 {
			t.Errorf("%s: no elements are %+v", d, empty)
		}
	}
	if (tensor.Buffer{}).Len() != 0 {
		t.Error("the zero buffer has elements")
	}
}

func TestSizesOfPlainTensorsAndBatches(t *testing.T) {
	for _, c := range []struct {
		name string
		t    tensor.T
		want int
	}{
		{"a scalar", tensor.T{}, 1},
		{"a plain matrix", tensor.T{Shape: tensor.Of(3, 4)}, 12},
		{"a batch of images", tensor.T{N: 5, Shape: tensor.Of(2, 3, 3)}, 90},
		{"a batch of numbers", tensor.T{N: 5}, 5},
		{"a batch of nothing", tensor.T{N: 5, Shape: tensor.Of(0)}, 0},
	} {
		if got := c.t.Size(); got != c.want {
			t.Errorf("%s has %d elements, want %d", c.name, got, c.want)
		}
	}
}

func TestReshapedSharesMemory(t *testing.T) {
	a := tensor.T{Buf: tensor.Float32.Make(24), N: 2, Shape: tensor.Of(3, 2, 2)}
	b := a.Reshaped(tensor.Of(12))
	b.Buf.Set(5, 1)
	if a.Buf.At(5) != 1 || b.N != 2 || b.Shape != tensor.Of(12) || a.Shape != tensor.Of(3, 2, 2) {
		t.Errorf("%+v became %+v", a, b)
	}
}

func TestOurBugsPanic(t *testing.T) {
	for name, bug := range map[string]func(){
		"a fifth dimension":       func() { tensor.Of(1, 1, 1, 1, 1) },
		"a negative dimension":    func() { tensor.Of(2, -1) },
		"a reshape to other size": func() { tensor.T{Shape: tensor.Of(4)}.Reshaped(tensor.Of(5)) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("it does not panic")
				}
			}()
			bug()
		})
	}
}

func TestCopiesConvert(t *testing.T) {
	for _, to := range []tensor.DType{tensor.Float32, tensor.Float64} {
		for _, from := range []tensor.DType{tensor.Float32, tensor.Float64} {
			src, dst := from.Make(3), to.Make(5)
			for i := range src.Len() {
				src.Set(i, 1/float64(i+3))
			}
			dst.Set(0, 7)
			dst.Slice(1, 4).Copy(src)
			for i := range src.Len() {
				want := to.Make(1)
				want.Set(0, src.At(i))
				if dst.At(1+i) != want.At(0) {
					t.Errorf("%s to %s: element %d is %g, want %g", from, to, i, dst.At(1+i), want.At(0))
				}
			}
			if dst.At(0) != 7 || dst.At(4) != 0 {
				t.Errorf("%s to %s: %g and %g beside the copy, want 7 and 0", from, to, dst.At(0), dst.At(4))
			}
			if dst.Clear(); dst.At(0) != 0 || dst.At(2) != 0 {
				t.Errorf("%s: not all 0 when cleared", to)
			}
		}
	}
}
