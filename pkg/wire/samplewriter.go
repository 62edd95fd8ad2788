package wire

import (
	"fmt"
	"io"
	"slices"

	"odepipe/pkg/tensor"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
)

// SampleWriter writes a stream of the sample table, one Samples a batch. The end of the stream is written by Close
// alone: a program that gives up must not call it.
type SampleWriter struct {
	header  Header
	sink    sink
	batches int64
	columns []Column // of the stream, without data
	schema  *arrow.Schema
}

// NewSampleWriter makes a writer. Nothing is written before Start, Write or Close.
func NewSampleWriter(w io.Writer, h Header) *SampleWriter {
	return &SampleWriter{header: h, sink: sink{out: gather{w: w}}}
}

// Start writes the header and fixes the stream's columns, of which only the description counts. The first Write does it
// itself; a stream that is closed without either has no columns. Later calls do nothing.
//
// It returns ErrKind for a header of another table and ErrTable for columns that the table cannot have.
func (w *SampleWriter) Start(columns []Column) error {
	if w.sink.err != nil || w.schema != nil {
		return w.sink.err
	}
	md, err := w.header.metadata(sampleKinds)
	if err != nil {
		return w.sink.fail("header", err)
	}
	if w.columns, err = describeAll(columns); err != nil {
		return w.sink.fail("header", err)
	}
	w.schema = sampleSchema(w.columns, md)
	return w.sink.start(w.schema)
}

// Write writes one batch, without copying it. It may be changed afterwards.
//
// It returns ErrTable if columns differ from those of the stream in number, order, name, type, shape or element type, or
// do not hold Rows samples; and what writing returned. After an error nothing more is written.
func (w *SampleWriter) Write(s *Samples) error {
	if err := w.Start(s.Columns); err != nil {
		return err
	}
	data, err := w.lay(s)
	if err != nil {
		return w.sink.fail(fmt.Sprintf("batch %d", w.batches), err)
	}
	w.batches++
	return w.sink.write(record(w.schema, s.Rows, data))
}

// Close writes the end marker. It does not close the underlying writer.
func (w *SampleWriter) Close() error {
	if err := w.Start(nil); err != nil {
		return err
	}
	return w.sink.close()
}

// lay is the batch as Arrow columns over the same memory.
func (w *SampleWriter) lay(s *Samples) ([]*array.Data, error) {
	if len(s.Columns) != len(w.columns) {
		return nil, fmt.Errorf("%d columns in a stream of %d: %w", len(s.Columns), len(w.columns), ErrTable)
	}
	data := make([]*array.Data, len(s.Columns))
	for i := range s.Columns {
		c, want := &s.Columns[i], &w.columns[i]
		if c.Name != want.Name || c.Type != want.Type || !slices.Equal(c.Shape, want.Shape) || !c.holds(want.DType) {
			return nil, fmt.Errorf("column %q, not the stream's column %q %v %s: %w", c.Name, want.Name, want.Shape, want.DType, ErrTable)
		}
		if rows, whole := c.rows(); !whole || rows != s.Rows {
			return nil, fmt.Errorf("column %q holds %d samples of shape %v, not %d: %w", c.Name, rows, c.Shape, s.Rows, ErrTable)
		}
		data[i] = c.data(w.schema.Field(i).Type, s.Rows)
	}
	return data, nil
}

// holds tells whether the column's data are of element type d; an empty column holds any.
func (c *Column) holds(d tensor.DType) bool {
	return c.Type != Values || c.Value.Len() == 0 || dtypeOf(c.Value) == d
}

// data is the column as an Arrow column over the same memory.
func (c *Column) data(t arrow.DataType, rows int) *array.Data {
	switch c.Type {
	case Int64:
		return plain(t, rows, arrow.Int64Traits.CastToBytes(c.I64))
	case Int32:
		return plain(t, rows, arrow.Int32Traits.CastToBytes(c.I32))
	}
	if list, ok := t.(*arrow.FixedSizeListType); ok {
		return fixedLists(t, rows, plain(list.Elem(), c.Value.Len(), valueBytes(c.Value)))
	}
	return plain(t, rows, valueBytes(c.Value))
}
