package wire

import (
	"io"

	"github.com/apache/arrow/go/v15/arrow"
)

// SampleReader reads a stream of the sample table. Its first error stays.
type SampleReader struct {
	source  source
	columns []Column
}

// NewSampleReader makes a reader. Nothing is read before Header or Next.
func NewSampleReader(r io.Reader, l Limits) *SampleReader {
	s := &SampleReader{}
	s.source = newSource(r, l, sampleKinds, s.table)
	return s
}

// Header returns the stream's header and its columns, without data. It waits until they have come.
//
// It returns ErrEmpty, ErrNotArrow or ErrTruncated for what is not the beginning of a stream; ErrVersion, ErrKind or
// ErrTable for a stream that is not a sample table of this version; ErrCorrupt, ErrChecksum or ErrLimit for a damaged
// one; and what reading returned.
func (r *SampleReader) Header() (Header, []Column, error) {
	if err := r.source.open(); err != nil {
		return Header{}, nil, err
	}
	return r.source.header, r.columns, nil
}

// table takes the columns of a schema over.
func (r *SampleReader) table(schema *arrow.Schema) error {
	columns := make([]Column, schema.NumFields())
	for i, f := range schema.Fields() {
		var err error
		if columns[i], err = columnOf(f); err != nil {
			return err
		}
	}
	var err error
	r.columns, err = describeAll(columns)
	return err
}

// Next reads one batch into s, whose columns then alias the reader's memory until the next call. It returns io.EOF
// after the last batch, when the end of the stream is proven, and otherwise as Header does, with the batch's number.
func (r *SampleReader) Next(s *Samples) error {
	if err := r.source.next(); err != nil {
		return err
	}
	s.Rows = r.source.rows()
	s.Columns = append(s.Columns[:0], r.columns...)
	for i := range s.Columns {
		switch c := &s.Columns[i]; c.Type {
		case Int64:
			c.I64 = r.source.int64s(i)
		case Int32:
			c.I32 = r.source.int32s(i)
		default:
			c.Value = r.source.floats(i, c.DType)
		}
	}
	return nil
}
