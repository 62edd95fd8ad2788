package wire

import (
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
)

// TraceBatch is one record batch of the trace: the attempts of a mini-batch's solves. Step is -1 where there are none.
type TraceBatch struct {
	Step int64
	Rows []TraceRow
}

// TraceReader reads a stream of the trace. Its first error stays.
type TraceReader struct{ source source }

// NewTraceReader makes a reader. Nothing is read before Header or Next.
func NewTraceReader(r io.Reader, l Limits) *TraceReader {
	t := &TraceReader{}
	t.source = newSource(r, l, traceKinds, t.table)
	t.source.guard.nullable = true
	return t
}

// Header returns the stream's header. It waits until it has come. Its errors are those of SampleReader's.
func (r *TraceReader) Header() (Header, error) {
	if err := r.source.open(); err != nil {
		return Header{}, err
	}
	return r.source.header, nil
}

// table checks that a schema is that of the trace.
func (r *TraceReader) table(schema *arrow.Schema) error {
	fields, want := schema.Fields(), traceSchema(nil).Fields()
	if len(fields) != len(want) {
		return fmt.Errorf("%d columns: %w", len(fields), ErrTable)
	}
	for i, f := range fields {
		if f.Name != want[i].Name || !arrow.TypeEqual(f.Type, want[i].Type) {
			return fmt.Errorf("column %d is %.40q of type %v, not %q: %w", i, f.Name, f.Type, want[i].Name, ErrTable)
		}
	}
	return nil
}

// Next reads one batch into b, whose rows live in memory of its own. It returns io.EOF after the last batch, when the
// end of the stream is proven, and otherwise as Header does, with the number of the batch.
func (r *TraceReader) Next(b *TraceBatch) error {
	if err := r.source.next(); err != nil {
		return err
	}
	if err := r.take(b); err != nil {
		return r.source.fail(err)
	}
	return nil
}

// take fills b from a batch of the trace, whose columns are those of traceSchema.
func (r *TraceReader) take(b *TraceBatch) error {
	n := r.source.rows()
	for i := range r.source.guard.cells {
		if r.source.guard.cells[i].nulls > 0 && i != traceError {
			return fmt.Errorf("column %d has nulls: %w", i, ErrCorrupt)
		}
	}
	b.Step, b.Rows = -1, slices.Grow(b.Rows[:0], n)[:n]
	if n == 0 {
		return nil
	}
	blocks, directions := r.source.texts(1), r.source.texts(2)
	if !blocks.sound(n) || !directions.sound(n) {
		return fmt.Errorf("%d rows: %w", n, ErrCorrupt)
	}
	float := func(i int) []float64 { return r.source.floats(i, "float64").F64 }
	steps, times, sizes, failures, seconds := r.source.int64s(0), float(3), float(4), float(traceError), float(8)
	valid, accepted, evaluations := r.source.validity(traceError), r.source.flags(6), r.source.int32s(7)
	b.Step = steps[0]
	for i := range b.Rows {
		if steps[i] != b.Step {
			return fmt.Errorf("rows of steps %d and %d: %w", b.Step, steps[i], ErrCorrupt)
		}
		row := &b.Rows[i]
		*row = TraceRow{
			reuse(row.Block, blocks.at(i)), Direction(reuse(string(row.Direction), directions.at(i))), times[i], sizes[i],
			failures[i], bit(accepted, i), evaluations[i], seconds[i],
		}
		if valid != nil && !bit(valid, i) {
			row.Error = math.NaN()
		}
	}
	return checkTrace(b.Rows)
}

// traceError is the column of the trace that may be null.
const traceError = 5

// flags are the bits of a column, validity those that say of which rows it has a number, nil for all.
func (s *source) flags(column int) []byte { return s.guard.bytes(s.guard.cells[column].data, 1) }

func (s *source) validity(column int) []byte {
	c := &s.guard.cells[column]
	if c.nulls == 0 {
		return nil
	}
	return s.guard.bytes(c.valid, 1)
}

// bit is bit i of a bitmap, the lowest of a byte first.
func bit(bitmap []byte, i int) bool { return bitmap[i/8]>>(i%8)&1 == 1 }
