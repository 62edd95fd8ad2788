package wire_test

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"slices"
	"testing"

	"odepipe/pkg/tensor"
	"odepipe/pkg/wire"
)

func TestSchemaReachesAWaitingReader(t *testing.T) {
	in, out := io.Pipe()
	defer in.Close()
	tensors := wire.NewTensorWriter(out, paramHeader, tensor.Float32)
	go tensors.Start()
	within(t, func() error {
		_, _, err := wire.NewTensorReader(in, wire.Limits{}).Header()
		return err
	})
	in, out = io.Pipe()
	defer in.Close()
	samples := wire.NewSampleWriter(out, batchHeader)
	go samples.Start(miniBatch(0).Columns)
	within(t, func() error {
		_, columns, err := wire.NewSampleReader(in, wire.Limits{}).Header()
		if len(columns) != 5 {
			t.Errorf("%d columns", len(columns))
		}
		return err
	})
}

func TestStreamsWithoutBatches(t *testing.T) {
	var out bytes.Buffer
	samples := wire.NewSampleWriter(&out, batchHeader)
	if out.Len() != 0 {
		t.Error("something is written before it is asked for")
	}
	check(t, samples.Close())
	wants(t, readSamples(&out, wire.Limits{}), io.EOF)
	tensors := wire.NewTensorWriter(&out, paramHeader, tensor.Float32)
	check(t, tensors.Start())
	check(t, tensors.Start())
	check(t, tensors.Close())
	wants(t, readTensors(&out, wire.Limits{}), io.EOF)
}

func TestBatchesOfOtherSizesAndNone(t *testing.T) {
	var out bytes.Buffer
	w := wire.NewSampleWriter(&out, batchHeader)
	sizes := []int{5, 0, 1, 1000}
	for _, n := range sizes {
		check(t, w.Write(&wire.Samples{Rows: n, Columns: []wire.Column{
			{Name: "x", Type: wire.Values, Shape: []int{3}, DType: tensor.Float64, Value: ramp(tensor.Float64, 3*n, 0)},
			{Name: "loss", Type: wire.Values, DType: tensor.Float32, Value: ramp(tensor.Float32, n, 0)},
			{Name: "y", Type: wire.Int32, I32: make([]int32, n)},
		}}))
	}
	check(t, w.Close())
	r := wire.NewSampleReader(&out, wire.Limits{})
	var s wire.Samples
	for _, n := range sizes {
		check(t, r.Next(&s))
		if s.Rows != n || s.Column("x").Value.Len() != 3*n || s.Column("loss").Value.Len() != n || len(s.Column("y").I32) != n {
			t.Errorf("%d rows: %+v", n, s)
		}
	}
	if s.Column("z") != nil {
		t.Error("there is no column z")
	}
	wants(t, r.Next(&s), io.EOF)
}

// The reader reuses what it allocates, so a later batch must not show in an earlier batch's copy, and does in the alias.
func TestCloneOutlivesTheNextBatch(t *testing.T) {
	r := wire.NewTensorReader(bytes.NewReader(tensorStream(t, 3, tensor.Float32)), wire.Limits{})
	var s wire.Set
	check(t, r.Next(&s))
	first := s.Clone()
	check(t, r.Next(&s))
	sameSet(t, first, paramSet(0, tensor.Float32))
	if v, ok := first.Scalar("ode.t1"); !ok || !(v == 0.75) {
		t.Errorf("ode.t1 = %g, %v", v, ok)
	}
	if _, ok := first.Scalar("fc.bias"); ok {
		t.Error("a parameter is no scalar")
	}
	if x := first.Find(wire.StateRole("m"), "fc.bias"); x == nil || x.Role != "state.m" {
		t.Errorf("state.m of fc.bias: %+v", x)
	}
}

func TestValuesTakeTheStreamsElementType(t *testing.T) {
	var out bytes.Buffer
	w := wire.NewTensorWriter(&out, paramHeader, tensor.Float32)
	s := &wire.Set{Tensors: []wire.Tensor{
		{Name: "x", Role: wire.Param, Shape: []int{2}, Value: tensor.Buffer{F64: []float64{0.1, math.NaN()}}},
	}}
	check(t, w.Write(s))
	check(t, w.Close())
	check(t, wire.NewTensorReader(&out, wire.Limits{}).Next(s))
	x := s.Tensors[0].Value
	if len(x.F32) != 2 || !(x.F32[0] == float32(0.1)) || !math.IsNaN(x.At(1)) {
		t.Errorf("got %v", x)
	}
}

func TestTablesThatCannotBe(t *testing.T) {
	one := func(name string, shape []int, n int) *wire.Set {
		return &wire.Set{Tensors: []wire.Tensor{{Name: name, Role: wire.Param, Shape: shape, Value: tensor.Float32.Make(n)}}}
	}
	twice := one("a", nil, 1)
	twice.Tensors = append(twice.Tensors, twice.Tensors[0])
	for name, s := range map[string]*wire.Set{
		"no tensors": {}, "no name": one("", nil, 1), "a name that is no text": one("\xff", nil, 1),
		"a wrong shape": one("a", []int{2, 2}, 3), "a negative shape": one("a", []int{-1, -1}, 1),
		"rank 5": one("a", []int{1, 1, 1, 1, 1}, 1), "a name twice": twice,
		"an overflowing shape": one("a", []int{1 << 31, 1 << 31, 4}, 0),
	} {
		t.Run(name, func(t *testing.T) {
			w := wire.NewTensorWriter(io.Discard, paramHeader, tensor.Float32)
			wants(t, w.Write(s), wire.ErrTable)
			wants(t, w.Close(), wire.ErrTable)
		})
	}
	for name, change := range map[string]func(*wire.Samples){
		"a column less":        func(s *wire.Samples) { s.Columns = s.Columns[1:] },
		"another name":         func(s *wire.Samples) { s.Columns[1].Name = "z" },
		"another type":         func(s *wire.Samples) { s.Columns[1].Type = wire.Int64 },
		"another shape":        func(s *wire.Samples) { s.Columns[2].Shape = []int{4} },
		"another element type": func(s *wire.Samples) { s.Columns[2].Value = ramp(tensor.Float64, 12, 0) },
		"too few rows":         func(s *wire.Samples) { s.Columns[0].I64 = s.Columns[0].I64[1:] },
		"half a row":           func(s *wire.Samples) { s.Columns[2].Value = ramp(tensor.Float32, 11, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			w := wire.NewSampleWriter(io.Discard, batchHeader)
			check(t, w.Write(miniBatch(0)))
			s := miniBatch(1)
			change(s)
			wants(t, w.Write(s), wire.ErrTable)
		})
	}
	for name, c := range map[string]wire.Column{
		"a column without a name": {Type: wire.Int32}, "an unknown type": {Name: "a", Type: 9},
		"an empty tensor": {Name: "a", Type: wire.Values, Shape: []int{2, 0}},
		"a name again":    {Name: "step", Type: wire.Int32},
	} {
		t.Run(name, func(t *testing.T) {
			w := wire.NewSampleWriter(io.Discard, batchHeader)
			wants(t, w.Start(append(miniBatch(0).Columns, c)), wire.ErrTable)
		})
	}
	t.Run("extra metadata under a key of the header", func(t *testing.T) {
		h := wire.Header{Kind: wire.Params, Extra: map[string]string{"version": "2"}}
		wants(t, wire.NewTensorWriter(io.Discard, h, tensor.Float32).Start(), wire.ErrTable)
	})
	t.Run("samples under a header of tensors", func(t *testing.T) {
		wants(t, wire.NewSampleWriter(io.Discard, paramHeader).Close(), wire.ErrKind)
	})
	t.Run("a model of another SHA-256", func(t *testing.T) {
		h := paramHeader
		h.ModelSHA256 = "0123"
		var out bytes.Buffer
		check(t, wire.NewTensorWriter(&out, h, tensor.Float32).Close())
		wants(t, readTensors(&out, wire.Limits{}), wire.ErrChecksum)
	})
}

// narrow fails once more than room bytes are written.
type narrow struct {
	bytes.Buffer
	room int
}

var errFull = errors.New("no room")

func (w *narrow) Write(p []byte) (int, error) {
	n := min(len(p), w.room)
	w.room -= n
	w.Buffer.Write(p[:n])
	if n < len(p) {
		return n, errFull
	}
	return n, nil
}

func TestNoEndMarkerAfterAFailedWrite(t *testing.T) {
	whole := len(tensorStream(t, 2, tensor.Float32))
	for room := range whole {
		out := &narrow{room: room}
		w := wire.NewTensorWriter(out, paramHeader, tensor.Float32)
		var err error
		for k := 0; k < 2 && err == nil; k++ {
			err = w.Write(paramSet(k, tensor.Float32))
		}
		if err != nil {
			out.room = whole
		}
		wants(t, w.Close(), errFull)
		if read := readTensors(&out.Buffer, wire.Limits{}); read == io.EOF {
			t.Fatalf("a stream broken after %d bytes reads as whole", room)
		}
	}
	for room := range len(encoded(t)) {
		wants(t, checkpoint().Encode(&narrow{room: room}), errFull)
	}
}

func TestSameInputSameBytes(t *testing.T) {
	if !slices.Equal(tensorStream(t, 3, tensor.Float32), tensorStream(t, 3, tensor.Float32)) || !slices.Equal(encoded(t), encoded(t)) {
		t.Error("two writers of the same write other bytes")
	}
}

func TestWritingAfterTheEnd(t *testing.T) {
	w := wire.NewSampleWriter(io.Discard, batchHeader)
	check(t, w.Close())
	if w.Write(miniBatch(0)) == nil {
		t.Error("a closed stream takes a batch")
	}
}

func TestCheckpointFromStandardInput(t *testing.T) {
	f, err := os.Open(write(t, "ck.arrow", encoded(t)))
	check(t, err)
	defer f.Close()
	defer func(stdin *os.File) { os.Stdin = stdin }(os.Stdin)
	os.Stdin = f
	c, err := wire.ReadCheckpoint("-", wire.Limits{})
	check(t, err)
	sameSet(t, &c.Set, &checkpoint().Set)
}
