package wire

import (
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/ipc"
)

// source reads the schema and the batches of a stream behind a guard. Its first error stays.
type source struct {
	guard   *guard
	kinds   []Kind
	table   func(*arrow.Schema) error // takes the schema over, if it is that of the table
	ipc     *ipc.Reader
	header  Header
	opened  bool
	broken  error // of open
	batches int64 // begun so far
	err     error // of next
}

func newSource(r io.Reader, l Limits, kinds []Kind, table func(*arrow.Schema) error) source {
	return source{guard: newGuard(r, l), kinds: kinds, table: table}
}

// open reads the schema, once. It waits until the schema has come.
func (s *source) open() error {
	if !s.opened {
		s.opened = true
		s.broken = s.readSchema()
	}
	return s.broken
}

func (s *source) readSchema() error {
	l := s.guard.limits
	memory := newRecycler(l.Body + 4*l.Metadata) // a buffer is described by 16 bytes of metadata and padded to 64
	var err error
	if s.ipc, err = ipc.NewReaderFromMessageReader(s.guard, ipc.WithAllocator(memory)); err != nil {
		return s.cause(err)
	}
	schema := s.ipc.Schema()
	if s.header, err = parseHeader(schema.Metadata(), s.kinds); err != nil {
		return err
	}
	return s.table(schema)
}

// next reads a batch, which lives until the next call. It returns io.EOF after the last.
func (s *source) next() (arrow.Record, error) {
	if err := s.open(); err != nil {
		return nil, err
	}
	if s.err != nil {
		return nil, s.err
	}
	s.batches++
	rec, err := s.ipc.Read()
	if err != nil {
		if s.err = s.cause(err); s.err != io.EOF {
			return nil, s.fail(s.err)
		}
		return nil, io.EOF
	}
	return rec, nil
}

// fail makes err the source's error, with the number of the batch in which it happened.
func (s *source) fail(err error) error {
	s.err = fmt.Errorf("batch %d: %w", s.batches-1, err)
	return s.err
}

// cause is the guard's error where there is one: the library reports it in other words or, at the end, not at all.
// What only the library objects to is damage.
func (s *source) cause(err error) error {
	if s.guard.err != nil {
		return s.guard.err
	}
	return fmt.Errorf("%v: %w", err, ErrCorrupt)
}
