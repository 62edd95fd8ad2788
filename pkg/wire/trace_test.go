package wire_test

import (
	"bytes"
	"io"
	"math"
	"testing"

	"odepipe/pkg/wire"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
)

var traceHeader = wire.Header{Kind: wire.Trace, Model: "name = \"circle\"\n", Dataset: "circle", Split: "train"}

// attempts are steps of an adaptive solve, and of one that has no error.
var attempts = []wire.TraceRow{
	{"ode", wire.Forward, 0, 0.25, 0.5, true, 7, 0.125},
	{"ode", wire.Forward, 0.25, 1.5, math.Inf(1), false, 13, 0.25},
	{"ode", wire.Backward, 1, -0.5, math.NaN(), true, 4, 0.0625},
}

// traced are the attempts of three mini-batches, the second without any.
var traced = [][]wire.TraceRow{attempts, nil, attempts[1:]}

func traceStream(t testing.TB) []byte {
	var out bytes.Buffer
	w := wire.NewTraceWriter(&out, traceHeader)
	for k, rows := range traced {
		check(t, w.Write(int64(k), rows))
	}
	check(t, w.Close())
	return out.Bytes()
}

func TestTraceHoldsEveryAttempt(t *testing.T) {
	r, err := ipc.NewReader(bytes.NewReader(traceStream(t)))
	check(t, err)
	md := r.Schema().Metadata()
	for key, want := range map[string]string{
		"odepipe.version": "1", "odepipe.stream": "trace", "odepipe.model": traceHeader.Model, "odepipe.dataset": "circle",
	} {
		if got, _ := md.GetValue(key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	for k, rows := range traced {
		if !r.Next() {
			t.Fatalf("batch %d: %v", k, r.Err())
		}
		rec := r.Record()
		if rec.NumRows() != int64(len(rows)) {
			t.Fatalf("batch %d: %d rows, want %d", k, rec.NumRows(), len(rows))
		}
		for i := range rows {
			if step := rec.Column(0).(*array.Int64).Value(i); step != int64(k) {
				t.Errorf("batch %d, row %d: step %d", k, i, step)
			}
			if got := traceRow(rec, i); !sameAttempt(got, rows[i]) {
				t.Errorf("batch %d, row %d: %+v, want %+v", k, i, got, rows[i])
			}
		}
	}
	if r.Next() || r.Err() != nil {
		t.Errorf("after the last batch: %v", r.Err())
	}
}

// traceRow is row i of a batch, a null error as NaN.
func traceRow(rec arrow.Record, i int) wire.TraceRow {
	float := func(c int) float64 {
		if rec.Column(c).IsNull(i) {
			return math.NaN()
		}
		return rec.Column(c).(*array.Float64).Value(i)
	}
	text := func(c int) string { return rec.Column(c).(*array.String).Value(i) }
	return wire.TraceRow{
		Block: text(1), Direction: wire.Direction(text(2)), T: float(3), H: float(4), Error: float(5),
		Accepted:    rec.Column(6).(*array.Boolean).Value(i),
		Evaluations: rec.Column(7).(*array.Int32).Value(i), Seconds: float(8),
	}
}

// sameAttempt compares rows, of which two without an error have the same.
func sameAttempt(a, b wire.TraceRow) bool {
	if math.IsNaN(a.Error) != math.IsNaN(b.Error) {
		return false
	}
	if math.IsNaN(a.Error) {
		a.Error, b.Error = 0, 0
	}
	return a == b
}

func TestOnlyAMissingErrorIsNull(t *testing.T) {
	r, err := ipc.NewReader(bytes.NewReader(traceStream(t)))
	check(t, err)
	for _, f := range r.Schema().Fields() {
		if f.Nullable != (f.Name == "error") {
			t.Errorf("column %s: nullable is %v", f.Name, f.Nullable)
		}
	}
	for r.Next() {
		for c, column := range r.Record().Columns() {
			if nulls := column.NullN(); nulls != 0 && c != 5 {
				t.Errorf("column %d has %d nulls", c, nulls)
			}
		}
	}
	check(t, r.Err())
}

func TestTracesThatCannotBe(t *testing.T) {
	good := attempts[0]
	for name, change := range map[string]func(*wire.TraceRow){
		"no block":                func(r *wire.TraceRow) { r.Block = "" },
		"a block that is no text": func(r *wire.TraceRow) { r.Block = "\xff" },
		"no direction":            func(r *wire.TraceRow) { r.Direction = "" },
		"a direction of its own":  func(r *wire.TraceRow) { r.Direction = "sideways" },
	} {
		t.Run(name, func(t *testing.T) {
			bad := good
			change(&bad)
			var out bytes.Buffer
			w := wire.NewTraceWriter(&out, traceHeader)
			check(t, w.Write(0, []wire.TraceRow{good}))
			sound := out.Len()
			wants(t, w.Write(1, []wire.TraceRow{good, bad}), wire.ErrTable)
			wants(t, w.Write(2, []wire.TraceRow{good}), wire.ErrTable)
			wants(t, w.Close(), wire.ErrTable)
			if out.Len() != sound {
				t.Errorf("%d bytes are written after the error", out.Len()-sound)
			}
		})
	}
	t.Run("a trace under a header of samples", func(t *testing.T) {
		wants(t, wire.NewTraceWriter(io.Discard, batchHeader).Close(), wire.ErrKind)
	})
	t.Run("samples under the header of a trace", func(t *testing.T) {
		wants(t, wire.NewSampleWriter(io.Discard, traceHeader).Close(), wire.ErrKind)
	})
	t.Run("after the end", func(t *testing.T) {
		w := wire.NewTraceWriter(io.Discard, traceHeader)
		check(t, w.Close())
		if w.Write(0, attempts) == nil {
			t.Error("a closed trace takes a batch")
		}
	})
}

// The end marker stands in a whole trace alone, and no reader of the other tables takes a trace for one of them.
func TestTraceEndsOnlyByClose(t *testing.T) {
	marker := []byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}
	whole := traceStream(t)
	if !bytes.HasSuffix(whole, marker) {
		t.Error("a whole trace has no end marker")
	}
	for room := range whole {
		out := &narrow{room: room}
		w := wire.NewTraceWriter(out, traceHeader)
		var err error
		for k := 0; k < len(traced) && err == nil; k++ {
			err = w.Write(int64(k), traced[k])
		}
		if err != nil {
			out.room = len(whole)
		}
		wants(t, w.Close(), errFull)
		if bytes.HasSuffix(out.Bytes(), marker) {
			t.Fatalf("a trace broken after %d bytes ends as a whole one", room)
		}
	}
	wants(t, readSamples(bytes.NewReader(whole), wire.Limits{}), wire.ErrKind)
	wants(t, readTensors(bytes.NewReader(whole), wire.Limits{}), wire.ErrKind)
}

func TestTraceIsWrittenAsItComes(t *testing.T) {
	var out bytes.Buffer
	w := wire.NewTraceWriter(&out, traceHeader)
	if out.Len() != 0 {
		t.Error("something is written before it is asked for")
	}
	check(t, w.Write(0, attempts))
	r, err := ipc.NewReader(bytes.NewReader(out.Bytes()))
	check(t, err)
	if !r.Next() || r.Record().NumRows() != int64(len(attempts)) {
		t.Error("the first mini-batch is not there before the second")
	}
}
