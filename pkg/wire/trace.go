package wire

import (
	"fmt"
	"io"
	"math"
	"unicode/utf8"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// Direction says which solve of a block a row of the trace belongs to.
type Direction string

// The directions: from t0 to t1 with the state, and back with the adjoint.
const (
	Forward  Direction = "forward"
	Backward Direction = "backward"
)

// TraceRow is one row of the trace: a step that a solver attempted.
type TraceRow struct {
	Block       string
	Direction   Direction
	T           float64 // where the step starts, units of t
	H           float64 // its size with its sign, units of t
	Error       float64 // norm of the scaled error; NaN where the method has none, a null in the stream
	Accepted    bool
	Evaluations int32   // of F since the solve began
	Seconds     float64 // since the solve began
}

// TraceWriter writes a stream of the trace, a table of its own: a row per attempted step, a batch per mini-batch. The
// end of the stream is written by Close alone: a program that gives up must not call it.
type TraceWriter struct {
	header  Header
	sink    sink
	batches int64
	rows    *array.RecordBuilder
}

// NewTraceWriter makes a writer. Nothing is written before Write or Close.
func NewTraceWriter(w io.Writer, h Header) *TraceWriter {
	return &TraceWriter{header: h, sink: sink{out: gather{w: w}}}
}

// start writes the header, once.
func (w *TraceWriter) start() error {
	if w.sink.err != nil || w.rows != nil {
		return w.sink.err
	}
	md, err := w.header.metadata(traceKinds)
	if err != nil {
		return w.sink.fail("header", err)
	}
	schema := traceSchema(md)
	w.rows = array.NewRecordBuilder(memory.DefaultAllocator, schema)
	return w.sink.start(schema)
}

// Write writes the attempts of a mini-batch's solves in their order, as one batch, which may be empty.
//
// It returns ErrKind for a header of another table; ErrTable for a block without a name or with one that is no UTF-8,
// and for an unknown direction; ErrLimit beyond 2^31-1 bytes of names; and what writing returned. After an error nothing
// more is written.
func (w *TraceWriter) Write(step int64, rows []TraceRow) error {
	if err := w.start(); err != nil {
		return err
	}
	if err := checkTrace(rows); err != nil {
		return w.sink.fail(fmt.Sprintf("batch %d", w.batches), err)
	}
	w.batches++
	for i := range rows {
		w.add(step, &rows[i])
	}
	rec := w.rows.NewRecord()
	defer rec.Release()
	return w.sink.write(rec)
}

// Close writes the end marker. It does not close the underlying writer.
func (w *TraceWriter) Close() error {
	if err := w.start(); err != nil {
		return err
	}
	return w.sink.close()
}

// add appends a row to the columns, which are those of traceSchema.
func (w *TraceWriter) add(step int64, row *TraceRow) {
	float := func(i int) *array.Float64Builder { return w.rows.Field(i).(*array.Float64Builder) }
	w.rows.Field(0).(*array.Int64Builder).Append(step)
	w.rows.Field(1).(*array.StringBuilder).Append(row.Block)
	w.rows.Field(2).(*array.StringBuilder).Append(string(row.Direction))
	float(3).Append(row.T)
	float(4).Append(row.H)
	if math.IsNaN(row.Error) {
		float(5).AppendNull()
	} else {
		float(5).Append(row.Error)
	}
	w.rows.Field(6).(*array.BooleanBuilder).Append(row.Accepted)
	w.rows.Field(7).(*array.Int32Builder).Append(row.Evaluations)
	float(8).Append(row.Seconds)
}

// checkTrace returns ErrTable or ErrLimit if the rows cannot be a batch of the trace.
func checkTrace(rows []TraceRow) error {
	text := 0
	for i := range rows {
		row := &rows[i]
		if row.Block == "" || !utf8.ValidString(row.Block) || row.Direction != Forward && row.Direction != Backward {
			return fmt.Errorf("row %d has block %.40q and direction %.40q: %w", i, row.Block, row.Direction, ErrTable)
		}
		if text += max(len(row.Block), len(row.Direction)); text > math.MaxInt32 {
			return fmt.Errorf("row %d: names of more than 2^31-1 bytes: %w", i, ErrLimit)
		}
	}
	return nil
}

// traceSchema is the schema of the trace. Only an error can be null.
func traceSchema(md *arrow.Metadata) *arrow.Schema {
	return arrow.NewSchema([]arrow.Field{
		{Name: "step", Type: arrow.PrimitiveTypes.Int64},
		{Name: "block", Type: arrow.BinaryTypes.String},
		{Name: "direction", Type: arrow.BinaryTypes.String},
		{Name: "t", Type: arrow.PrimitiveTypes.Float64},
		{Name: "h", Type: arrow.PrimitiveTypes.Float64},
		{Name: "error", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
		{Name: "accepted", Type: arrow.FixedWidthTypes.Boolean},
		{Name: "evaluations", Type: arrow.PrimitiveTypes.Int32},
		{Name: "seconds", Type: arrow.PrimitiveTypes.Float64},
	}, md)
}
