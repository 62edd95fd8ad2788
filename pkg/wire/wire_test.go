package wire_test

import (
	"bytes"
	"errors"
	"io"
	"math"
	"reflect"
	"testing"

	"odepipe/pkg/tensor"
	"odepipe/pkg/wire"
)

var (
	batchHeader = wire.Header{Kind: wire.Batch, Dataset: "circle", Split: "train"}
	paramHeader = wire.Header{
		Kind: wire.Params, Model: "name = \"circle\"\n",
		Extra: map[string]string{"optimizer": "snopt", "lr": "0.1"},
	}
)

// ramp is n numbers that differ, of a type.
func ramp(d tensor.DType, n int, from float64) tensor.Buffer {
	b := d.Make(n)
	for i := range n {
		b.Set(i, from+float64(i)/8)
	}
	return b
}

// miniBatch is batch k of 3 samples, with a column of every type.
func miniBatch(k int) *wire.Samples {
	return &wire.Samples{Rows: 3, Columns: []wire.Column{
		{Name: "step", Type: wire.Int64, I64: []int64{int64(k), int64(k), int64(k)}},
		{Name: "y", Type: wire.Int32, I32: []int32{1, 0, 9}},
		{Name: "x", Type: wire.Values, Shape: []int{2, 1, 2}, Value: ramp(tensor.Float32, 12, float64(k))},
		{Name: "logp", Type: wire.Values, Shape: []int{1}, Value: ramp(tensor.Float64, 3, -1)},
		{Name: "loss", Type: wire.Values, Value: ramp(tensor.Float32, 3, 0.5)},
	}}
}

// paramSet is the parameters of step k.
func paramSet(k int, d tensor.DType) *wire.Set {
	s := &wire.Set{Step: int64(k), Tensors: []wire.Tensor{
		{Name: "fc.weight", Role: wire.Param, Shape: []int{2, 3}, Value: ramp(d, 6, float64(k))},
		{Name: "fc.bias", Role: wire.Param, Shape: []int{2}, Value: ramp(d, 2, -float64(k))},
		{Name: "fc.bias", Role: wire.StateRole("m"), Shape: []int{2}, Value: ramp(d, 2, 0)},
		{Name: "fc.none", Role: wire.Grad, Shape: []int{0, 4}, Value: d.Make(0)},
	}}
	s.AddScalar("ode.t1", 0.75)
	return s
}

func sampleStream(t testing.TB, batches int) []byte {
	var out bytes.Buffer
	w := wire.NewSampleWriter(&out, batchHeader)
	for k := range batches {
		check(t, w.Write(miniBatch(k)))
	}
	check(t, w.Close())
	return out.Bytes()
}

func tensorStream(t testing.TB, batches int, d tensor.DType) []byte {
	var out bytes.Buffer
	w := wire.NewTensorWriter(&out, paramHeader, d)
	for k := range batches {
		check(t, w.Write(paramSet(k, d)))
	}
	check(t, w.Close())
	return out.Bytes()
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wants fails unless err wraps target.
func wants(t testing.TB, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Fatalf("got error %v, want %v", err, target)
	}
}

// same tells whether two host buffers hold the same numbers of the same type; empty ones always do.
func same(a, b tensor.Buffer) bool {
	if a.Len() != b.Len() || a.Len() > 0 && (a.F64 == nil) != (b.F64 == nil) {
		return false
	}
	for i := range a.Len() {
		if math.Float64bits(a.At(i)) != math.Float64bits(b.At(i)) {
			return false
		}
	}
	return true
}

func sameSet(t testing.TB, got, want *wire.Set) {
	t.Helper()
	if got.Step != want.Step || len(got.Tensors) != len(want.Tensors) {
		t.Fatalf("step %d with %d tensors, want %d with %d", got.Step, len(got.Tensors), want.Step, len(want.Tensors))
	}
	for i := range got.Tensors {
		g, w := &got.Tensors[i], &want.Tensors[i]
		if g.Name != w.Name || g.Role != w.Role || len(g.Shape) != len(w.Shape) || len(g.Shape) > 0 && !reflect.DeepEqual(g.Shape, w.Shape) {
			t.Fatalf("tensor %d: %s %s %v, want %s %s %v", i, g.Role, g.Name, g.Shape, w.Role, w.Name, w.Shape)
		}
		if w.Role == wire.Scalar {
			if !(g.Value.At(0) == w.Value.At(0)) {
				t.Fatalf("%s: %g, want %g", w.Name, g.Value.At(0), w.Value.At(0))
			}
		} else if !same(g.Value, w.Value) {
			t.Fatalf("%s %s: %v, want %v", w.Role, w.Name, g.Value, w.Value)
		}
	}
}

func TestSampleRoundTrip(t *testing.T) {
	r := wire.NewSampleReader(bytes.NewReader(sampleStream(t, 3)), wire.Limits{})
	h, columns, err := r.Header()
	check(t, err)
	if !reflect.DeepEqual(h, batchHeader) {
		t.Errorf("header %+v, want %+v", h, batchHeader)
	}
	if len(columns) != 5 || columns[2].DType != tensor.Float32 || columns[3].DType != tensor.Float64 {
		t.Errorf("columns %+v", columns)
	}
	var got wire.Samples
	for k := range 3 {
		check(t, r.Next(&got))
		want := miniBatch(k)
		if got.Rows != want.Rows || len(got.Columns) != len(want.Columns) {
			t.Fatalf("batch %d: %d rows, %d columns", k, got.Rows, len(got.Columns))
		}
		for i := range want.Columns {
			g, w := got.Columns[i], want.Columns[i]
			if g.Name != w.Name || g.Type != w.Type || !reflect.DeepEqual(g.Shape, w.Shape) ||
				!reflect.DeepEqual(g.I64, w.I64) || !reflect.DeepEqual(g.I32, w.I32) || !same(g.Value, w.Value) {
				t.Errorf("batch %d: got %+v, want %+v", k, g, w)
			}
		}
	}
	wants(t, r.Next(&got), io.EOF)
	wants(t, r.Next(&got), io.EOF)
}

func TestTensorRoundTrip(t *testing.T) {
	for _, d := range []tensor.DType{tensor.Float32, tensor.Float64} {
		t.Run(string(d), func(t *testing.T) {
			r := wire.NewTensorReader(bytes.NewReader(tensorStream(t, 3, d)), wire.Limits{})
			h, dtype, err := r.Header()
			check(t, err)
			if dtype != d || h.Model != paramHeader.Model || len(h.ModelSHA256) != 64 || !reflect.DeepEqual(h.Extra, paramHeader.Extra) {
				t.Errorf("%s, header %+v", dtype, h)
			}
			var got wire.Set
			for k := range 3 {
				check(t, r.Next(&got))
				sameSet(t, &got, paramSet(k, d))
			}
			wants(t, r.Next(&got), io.EOF)
		})
	}
}
