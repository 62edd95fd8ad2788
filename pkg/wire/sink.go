package wire

import (
	"bufio"
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
	buffer *bufio.Writer // gathers the small parts of a message; large columns pass it by
	ipc    *ipc.Writer
	err    error
}

// smallParts is the size of the sink's buffer: what stands in front of a mini-batch's first large column fits in.
const smallParts = 16 << 10

func newSink(w io.Writer) sink { return sink{buffer: bufio.NewWriterSize(w, smallParts)} }

// start writes the schema and sees it off.
//
// The library writes the schema together with the first batch or the end marker, which is too late for a reader that
// waits for it; but a stream without batches is the schema and the end marker. So that is written in front of the
// end marker, and what the library writes of it later is dropped.
func (s *sink) start(schema *arrow.Schema) error {
	if s.err != nil || s.ipc != nil {
		return s.err
	}
	var empty bytes.Buffer
	if s.err = ipc.NewWriter(&empty, ipc.WithSchema(schema)).Close(); s.err != nil {
		return s.err
	}
	head := empty.Bytes()[:empty.Len()-len(endMarker)]
	s.ipc = ipc.NewWriter(&skipper{w: s.buffer, skip: len(head)}, ipc.WithSchema(schema))
	if _, s.err = s.buffer.Write(head); s.err == nil {
		s.err = s.buffer.Flush()
	}
	return s.err
}

// write writes one batch and sees it off.
func (s *sink) write(rec arrow.Record) error {
	if s.err != nil {
		return s.err
	}
	if s.err = s.ipc.Write(rec); s.err == nil {
		s.err = s.buffer.Flush()
	}
	return s.err
}

// close writes the end marker, unless something went wrong before.
func (s *sink) close() error {
	if s.err != nil {
		return s.err
	}
	if s.err = s.ipc.Close(); s.err == nil {
		s.err = s.buffer.Flush()
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

// skipper drops the first bytes written to it.
type skipper struct {
	w    io.Writer
	skip int
}

func (s *skipper) Write(p []byte) (int, error) {
	n := min(s.skip, len(p))
	s.skip -= n
	if n == len(p) {
		return n, nil
	}
	m, err := s.w.Write(p[n:])
	return n + m, err
}
