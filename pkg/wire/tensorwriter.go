package wire

import (
	"fmt"
	"io"
	"math"

	"odepipe/pkg/tensor"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
)

// TensorWriter writes a stream of the tensor table, one Set a batch. The end of the stream is written by Close alone:
// a program that gives up must not call it.
type TensorWriter struct {
	header  Header
	sink    sink
	batches int64
	rows    tensorRows
}

// NewTensorWriter makes a writer of element type d. Nothing is written before Start, Write or Close.
func NewTensorWriter(w io.Writer, h Header, d tensor.DType) *TensorWriter {
	return &TensorWriter{header: h, sink: sink{out: gather{w: w}}, rows: tensorRows{dtype: d}}
}

// Start writes the header, for a reader that waits for it. Write and Close do it themselves.
//
// It returns ErrKind for a header of another table.
func (w *TensorWriter) Start() error {
	if w.sink.err != nil || w.rows.schema != nil {
		return w.sink.err
	}
	md, err := w.header.metadata(tensorKinds)
	if err != nil {
		return w.sink.fail("header", err)
	}
	w.rows.schema = tensorSchema(w.rows.dtype, md)
	return w.sink.start(w.rows.schema)
}

// Write writes one batch; values of the other element type are converted. The set may be changed afterwards.
//
// It returns ErrTable for a set without tensors, with bad or repeated names, or with shapes that do not fit the values;
// ErrLimit beyond 2^31-1 values; and what a Fill or writing returned. After an error nothing more is written.
func (w *TensorWriter) Write(s *Set) error {
	if err := w.Start(); err != nil {
		return err
	}
	rec, err := w.rows.record(s)
	if err != nil {
		return w.sink.fail(fmt.Sprintf("batch %d", w.batches), err)
	}
	w.batches++
	return w.sink.write(rec)
}

// Close writes the end marker. It does not close the underlying writer.
func (w *TensorWriter) Close() error {
	if err := w.Start(); err != nil {
		return err
	}
	return w.sink.close()
}

// tensorRows lays a Set out as columns, in memory that the next set uses again.
type tensorRows struct {
	dtype                             tensor.DType
	schema                            *arrow.Schema
	steps                             []int64
	names, roles                      []byte
	nameEnds, roleEnds, dimEnds, ends []int32
	dims                              []int32
	space, values                     tensor.Buffer // values is the part of space in use
	sums                              []uint32
	seen                              map[key]struct{}
}

// record is the batch of s; it lives in r's memory, until the next call.
func (r *tensorRows) record(s *Set) (arrow.Record, error) {
	if r.seen == nil {
		r.seen = make(map[key]struct{}, len(s.Tensors))
	}
	if err := s.check(r.seen); err != nil {
		return nil, err
	}
	if err := r.lay(s); err != nil {
		return nil, err
	}
	dims := plain(arrow.PrimitiveTypes.Int32, len(r.dims), arrow.Int32Traits.CastToBytes(r.dims))
	values := plain(element(r.dtype), r.values.Len(), valueBytes(r.values))
	n := len(s.Tensors)
	return record(r.schema, n, []*array.Data{
		plain(arrow.PrimitiveTypes.Int64, n, arrow.Int64Traits.CastToBytes(r.steps)),
		texts(r.nameEnds, r.names),
		texts(r.roleEnds, r.roles),
		lists(r.schema.Field(3).Type, r.dimEnds, dims),
		lists(r.schema.Field(4).Type, r.ends, values),
		plain(arrow.PrimitiveTypes.Uint32, n, arrow.Uint32Traits.CastToBytes(r.sums)),
	}), nil
}

// lay fills the columns.
func (r *tensorRows) lay(s *Set) error {
	total := 0
	for i := range s.Tensors {
		n, _ := size(s.Tensors[i].Shape)
		if total += n; total > math.MaxInt32 {
			return fmt.Errorf("step %d has more than 2^31-1 values: %w", s.Step, ErrLimit)
		}
	}
	if r.space.Len() < total {
		r.space = r.dtype.Make(total)
	}
	r.values = r.space.Slice(0, total)
	r.steps, r.names, r.roles, r.dims, r.sums = r.steps[:0], r.names[:0], r.roles[:0], r.dims[:0], r.sums[:0]
	r.nameEnds, r.roleEnds = append(r.nameEnds[:0], 0), append(r.roleEnds[:0], 0)
	r.dimEnds, r.ends = append(r.dimEnds[:0], 0), append(r.ends[:0], 0)
	at := 0
	for i := range s.Tensors {
		t := &s.Tensors[i]
		n, _ := size(t.Shape)
		value := r.values.Slice(at, at+n)
		at += n
		if t.Fill == nil {
			value.Copy(t.Value)
		} else if err := t.Fill(value); err != nil {
			return fmt.Errorf("%s %s: %w", t.Role, t.Name, err)
		}
		for _, d := range t.Shape {
			r.dims = append(r.dims, int32(d))
		}
		r.names, r.roles = append(r.names, t.Name...), append(r.roles, t.Role...)
		r.steps, r.sums = append(r.steps, s.Step), append(r.sums, checksum(value))
		r.nameEnds, r.roleEnds = append(r.nameEnds, int32(len(r.names))), append(r.roleEnds, int32(len(r.roles)))
		r.dimEnds, r.ends = append(r.dimEnds, int32(len(r.dims))), append(r.ends, int32(at))
	}
	return nil
}
