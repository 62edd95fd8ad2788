package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/ipc"
)

// errClosed answers a Write after Close; it is a mistake of the caller, not of the data.
var errClosed = errors.New("wire: write to a closed stream")

// sink writes the schema, the batches and the end marker of a stream. Its first error stays: after a failed write
// nothing follows, least of all the end marker, so that no reader takes a broken stream for a whole one.
type sink struct {
	out gather
	ipc *ipc.Writer
	err error
}

// start writes the schema and sees it off, once.
//
// The library writes the schema together with the first batch or the end marker, which is too late for a reader that
// waits for it; but a stream without batches is the schema and the end marker. So that is written in front of the
// end marker, and what the library writes of it later is dropped.
func (s *sink) start(schema *arrow.Schema) error {
	var empty bytes.Buffer
	if s.err = ipc.NewWriter(&empty, ipc.WithSchema(schema)).Close(); s.err != nil {
		return s.err
	}
	head := empty.Bytes()[:empty.Len()-len(endMarker)]
	if _, s.err = s.out.w.Write(head); s.err != nil {
		return s.err
	}
	s.out.skip = len(head)
	s.ipc = ipc.NewWriter(&s.out, ipc.WithSchema(schema))
	return nil
}

// write writes one batch and sees it off. The sink has been started, and has no error.
func (s *sink) write(rec arrow.Record) error {
	if s.err = s.ipc.Write(rec); s.err == nil {
		s.err = s.out.flush()
	}
	return s.err
}

// close writes the end marker. The sink has been started, and has no error.
func (s *sink) close() error {
	if s.err = s.ipc.Close(); s.err == nil {
		s.err = s.out.flush()
	}
	if s.err != nil {
		return s.err
	}
	s.err = errClosed
	return nil
}

// fail makes err, with where it happened, the sink's error.
func (s *sink) fail(where string, err error) error {
	s.err = fmt.Errorf("%s: %w", where, err)
	return s.err
}

// gather collects small writes, so that a message's many short parts are one, and passes large ones on as they are.
// A bufio.Writer would cut the large ones, which then lie badly for the kernel (measured: copying to a pipe takes up to
// twice the time when the source lies a few bytes before a page).
type gather struct {
	w     io.Writer
	skip  int // bytes to drop first
	small []byte
}

const (
	largePart = 4 << 10
	mostSmall = 64 << 10
)

func (g *gather) Write(p []byte) (int, error) {
	n := len(p)
	dropped := min(g.skip, n)
	g.skip -= dropped
	p = p[dropped:]
	if len(p) < largePart {
		if g.small = append(g.small, p...); len(g.small) < mostSmall {
			return n, nil
		}
		return n, g.flush()
	}
	if err := g.flush(); err != nil {
		return 0, err
	}
	m, err := g.w.Write(p)
	return dropped + m, err
}

// flush writes what is collected.
func (g *gather) flush() error {
	if len(g.small) == 0 {
		return nil
	}
	_, err := g.w.Write(g.small)
	g.small = g.small[:0]
	return err
}
