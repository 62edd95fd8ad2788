package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"testing"
	"unsafe"

	"odepipe/pkg/tensor"

	"github.com/apache/arrow/go/v15/arrow"
)

// frame is the metadata of the first batch of a stream and the length of its body, and the outline of its schema.
func frame(t *testing.T) (meta []byte, body int64, o outline) {
	t.Helper()
	var out bytes.Buffer
	w := NewSampleWriter(&out, Header{Kind: Batch})
	err := w.Write(&Samples{Rows: 3, Columns: []Column{
		{Name: "step", Type: Int64, I64: make([]int64, 3)},
		{Name: "x", Type: Values, Shape: []int{2, 4}, Value: tensor.Float32.Make(24)},
	}})
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	g := newGuard(&out, Limits{})
	for range 2 {
		if _, err := g.Message(); err != nil {
			t.Fatal(err)
		}
	}
	return g.meta, int64(len(g.body)), g.outline
}

// A buffer that is too short would show what an earlier batch left behind, or what belongs to another column.
func TestHeadersThatDoNotFitTheirBody(t *testing.T) {
	const nodes, buffers = 1, 2 // fields of a RecordBatch
	// Nodes: step, x, x's items. Buffers: step's validity and data, x's validity, the items' validity and data.
	for _, c := range []struct {
		name              string
		field, item, half int
		value             func(was, body int64) int64
		wellFormed        bool
	}{
		{name: "as written", field: nodes, value: func(was, _ int64) int64 { return was }, wellFormed: true},
		{name: "a column of fewer rows", field: nodes, value: func(was, _ int64) int64 { return was - 1 }},
		{name: "a column of negative length", field: nodes, value: func(_, _ int64) int64 { return -1 }},
		{name: "fewer items than the lists hold", field: nodes, item: 2, value: func(was, _ int64) int64 { return was - 1 }},
		{name: "nulls", field: nodes, half: 1, value: func(_, _ int64) int64 { return 1 }},
		{name: "a buffer too short", field: buffers, item: 1, half: 1, value: func(was, _ int64) int64 { return was - 8 }},
		{name: "a buffer of negative length", field: buffers, item: 1, half: 1, value: func(_, _ int64) int64 { return -8 }},
		{name: "a buffer before the body", field: buffers, item: 1, value: func(_, _ int64) int64 { return -8 }},
		{name: "a buffer beyond the body", field: buffers, item: 4, value: func(was, _ int64) int64 { return was + 8 }},
		{name: "an offset that overflows", field: buffers, item: 4, value: func(_, _ int64) int64 { return math.MaxInt64 }},
		{name: "buffers that overlap", field: buffers, item: 1, half: 1, value: func(_, body int64) int64 { return body - 16 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			meta, body, o := frame(t)
			header, _, _ := message(newView(meta))
			at, n := header.vector(c.field, 16)
			if c.item >= n {
				t.Fatalf("%d items", n)
			}
			at += 16*c.item + 8*c.half
			was := int64(binary.LittleEndian.Uint64(meta[at:]))
			binary.LittleEndian.PutUint64(meta[at:], uint64(c.value(was, body)))
			header, _, _ = message(newView(meta))
			switch _, _, err := checkBatch(nil, header, body, o.columns, false); {
			case c.wellFormed && err != nil:
				t.Error(err)
			case !c.wellFormed && !errors.Is(err, ErrCorrupt):
				t.Errorf("got error %v, want %v", err, ErrCorrupt)
			}
		})
	}
}

// A table whose only field is a string that takes up nearly all bytes.
func TestSharedBytesAreDescribedOnce(t *testing.T) {
	b := []byte{12, 0, 0, 0, 6, 0, 8, 0, 4, 0, 0, 0, 8, 0, 0, 0, 4, 0, 0, 0, 100, 0, 0, 0}
	v := newView(append(b, make([]byte, 100)...))
	root := v.root()
	if got := root.text(0); len(got) != 100 || v.bad {
		t.Fatalf("string of %d bytes, bad %v", len(got), v.bad)
	}
	if got := root.text(0); got != "" || !v.bad {
		t.Errorf("the same bytes again: string of %d bytes, bad %v", len(got), v.bad)
	}
}

func TestViewsOutsideTheBytes(t *testing.T) {
	for name, b := range map[string][]byte{
		"no bytes":             {},
		"root beyond the end":  {200, 0, 0, 0},
		"vtable before 0":      {4, 0, 0, 0, 100, 0, 0, 0},
		"vtable of odd size":   {12, 0, 0, 0, 7, 0, 8, 0, 4, 0, 0, 0, 8, 0, 0, 0, 4, 0, 0, 0},
		"vtable beyond":        {8, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 255, 0},
		"string beyond":        {12, 0, 0, 0, 6, 0, 8, 0, 4, 0, 0, 0, 8, 0, 0, 0, 4, 0, 0, 0, 100, 0, 0, 0},
		"string of 4 GiB less": {12, 0, 0, 0, 6, 0, 8, 0, 4, 0, 0, 0, 8, 0, 0, 0, 4, 0, 0, 0, 255, 255, 255, 255},
	} {
		t.Run(name, func(t *testing.T) {
			v := newView(b)
			if text := v.root().text(0); text != "" || !v.bad {
				t.Errorf("read %q, bad %v", text, v.bad)
			}
		})
	}
}

func TestMetadataThatSaysAThingTwice(t *testing.T) {
	md := arrow.NewMetadata([]string{"odepipe.version", "odepipe.stream", "odepipe.stream"}, []string{"1", "batch", "state"})
	if _, err := parseHeader(md, sampleKinds); !errors.Is(err, ErrCorrupt) {
		t.Errorf("got error %v, want %v", err, ErrCorrupt)
	}
}

func TestRowsOfTwoStepsInABatch(t *testing.T) {
	var out bytes.Buffer
	w := NewTensorWriter(&out, Header{Kind: Params}, tensor.Float32)
	s := &Set{Step: 77}
	s.AddScalar("a", 1)
	s.AddScalar("b", 2)
	if err := errors.Join(w.Write(s), w.Close()); err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(out.Bytes(), arrow.Int64Traits.CastToBytes([]int64{77, 77}))
	out.Bytes()[at+8]++
	r := NewTensorReader(&out, Limits{})
	if err := r.Next(s); !errors.Is(err, ErrCorrupt) {
		t.Errorf("got error %v, want %v", err, ErrCorrupt)
	}
}

func TestNumbersThatLieAtOddPlacesAreMoved(t *testing.T) {
	body := make([]byte, 32)
	binary.LittleEndian.PutUint64(body[8:], 7)
	binary.LittleEndian.PutUint64(body[19:], 9)
	g := &guard{body: body}
	for at, want := range map[int64]int64{8: 7, 19: 9} {
		part := g.bytes(extent{at, 8}, 8)
		if got := arrow.Int64Traits.CastFromBytes(part)[0]; got != want || uintptr(unsafe.Pointer(&part[0]))%8 != 0 {
			t.Errorf("at %d: %d at %p, want %d", at, got, &part[0], want)
		}
	}
	if part := g.bytes(extent{8, 8}, 8); &part[0] != &body[8] {
		t.Error("numbers at a right place are moved")
	}
	if part := g.bytes(extent{32, 0}, 8); len(part) != 0 {
		t.Error("nothing is something")
	}
}
