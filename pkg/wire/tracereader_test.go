package wire_test

import (
	"bytes"
	"io"
	"testing"

	"odepipe/pkg/wire"
)

// readTrace reads a trace to its end or error.
func readTrace(r io.Reader) (batches []wire.TraceBatch, err error) {
	t := wire.NewTraceReader(r, wire.Limits{})
	for {
		var b wire.TraceBatch
		if err = t.Next(&b); err != nil {
			return batches, err
		}
		batches = append(batches, b)
	}
}

func TestTraceComesBackAsItWasWritten(t *testing.T) {
	got, err := readTrace(bytes.NewReader(traceStream(t)))
	wants(t, err, io.EOF)
	if len(got) != len(traced) {
		t.Fatalf("%d batches, want %d", len(got), len(traced))
	}
	for k, rows := range traced {
		step := int64(k)
		if len(rows) == 0 {
			step = -1
		}
		if got[k].Step != step || len(got[k].Rows) != len(rows) {
			t.Fatalf("batch %d: step %d with %d rows", k, got[k].Step, len(got[k].Rows))
		}
		for i, row := range rows {
			if !sameAttempt(got[k].Rows[i], row) {
				t.Errorf("batch %d, row %d: %+v, want %+v", k, i, got[k].Rows[i], row)
			}
		}
	}
}

func TestTraceThatWasCutIsNoTrace(t *testing.T) {
	whole := traceStream(t)
	for n := range whole {
		if _, err := readTrace(bytes.NewReader(whole[:n])); err == nil || err == io.EOF {
			t.Fatalf("the first %d of %d bytes pass for a whole trace", n, len(whole))
		}
	}
}

func TestTraceReaderTakesNoOtherTable(t *testing.T) {
	_, err := readTrace(bytes.NewReader(sampleStream(t, 1)))
	wants(t, err, wire.ErrKind)
}

func TestTraceWithAnyBitFlippedDoesNotPanic(t *testing.T) {
	whole := traceStream(t)
	for i := range 8 * len(whole) {
		damaged := bytes.Clone(whole)
		damaged[i/8] ^= 1 << (i % 8)
		if _, err := readTrace(bytes.NewReader(damaged)); err == nil {
			t.Fatal("reading ended without io.EOF or an error")
		}
	}
}

func FuzzTraceReader(f *testing.F) {
	f.Add(traceStream(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := wire.NewTraceReader(bytes.NewReader(b), wire.Limits{})
		h, err := r.Header()
		if err != nil {
			return
		}
		var out bytes.Buffer
		w := wire.NewTraceWriter(&out, h)
		var batch wire.TraceBatch
		for err = r.Next(&batch); err == nil; err = r.Next(&batch) {
			check(t, w.Write(batch.Step, batch.Rows))
		}
		if err != io.EOF {
			return
		}
		check(t, w.Close())
		_, err = readTrace(&out)
		wants(t, err, io.EOF)
	})
}
