package pipeline

import (
	"io"
	"time"

	"odepipe/pkg/ode"
	"odepipe/pkg/wire"
)

// tracer collects the attempted steps of a mini-batch's solves and writes them as one batch; nil does nothing.
type tracer struct {
	writer    *wire.TraceWriter
	direction wire.Direction
	rows      []wire.TraceRow
}

// newTracer writes to w, or is nil if w is.
func newTracer(w io.Writer, h wire.Header, direction wire.Direction) *tracer {
	if w == nil {
		return nil
	}
	h.Kind = wire.Trace
	return &tracer{writer: wire.NewTraceWriter(w, h), direction: direction}
}

// solve is what a block's solve reports its steps to.
func (t *tracer) solve(block string) func(ode.Attempt) {
	if t == nil {
		return nil
	}
	begun := time.Now()
	return func(a ode.Attempt) {
		t.rows = append(t.rows, wire.TraceRow{Block: block, Direction: t.direction, T: a.T, H: a.H, Error: a.Ratio,
			Accepted: a.Accepted, Evaluations: int32(a.Evaluations), Seconds: time.Since(begun).Seconds()})
	}
}

// write ends a mini-batch.
func (t *tracer) write(step int64) error {
	if t == nil {
		return nil
	}
	err := t.writer.Write(step, t.rows)
	t.rows = t.rows[:0]
	return err
}

func (t *tracer) close() error {
	if t == nil {
		return nil
	}
	return t.writer.Close()
}
