package wire

import (
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/ipc"
)

// source reads the schema and the batches of a stream behind a guard. Its first error stays.
type source struct {
	guard   *guard
	kinds   []Kind
	ipc     *ipc.Reader
	header  Header
	batches int64
	err     error
}

func newSource(r io.Reader, l Limits, kinds []Kind) source {
	return source{guard: newGuard(r, l), kinds: kinds}
}

// open reads the schema, once. It blocks until the schema has come.
func (s *source) open() error {
	if s.ipc != nil || s.err != nil {
		return s.err
	}
	l := s.guard.limits
	memory := newRecycler(l.Body + 4*l.Metadata) // every buffer, described by 16 bytes of metadata, is padded to 64
	if s.ipc, s.err = ipc.NewReaderFromMessageReader(s.guard, ipc.WithAllocator(memory)); s.err != nil {
		s.err = s.cause(s.err)
		return s.err
	}
	s.header, s.err = parseHeader(s.schema().Metadata(), s.kinds)
	return s.err
}

func (s *source) schema() *arrow.Schema { return s.ipc.Schema() }

// next reads a batch, which lives until the next call. It returns io.EOF after the last.
func (s *source) next() (arrow.Record, error) {
	if err := s.open(); err != nil {
		return nil, err
	}
	rec, err := s.ipc.Read()
	if err != nil {
		if err = s.cause(err); err != io.EOF {
			err = s.fail(err)
		}
		s.err = err
		return nil, err
	}
	s.batches++
	return rec, nil
}

// fail makes err the source's error, with the number of the batch in which it happened.
func (s *source) fail(err error) error {
	s.err = fmt.Errorf("batch %d: %w", s.batches, err)
	return s.err
}

// cause is the guard's error where there is one: the library reports it in other words or, at the end, not at all.
// What only the library objects to is damage.
func (s *source) cause(err error) error {
	if s.guard.err != nil {
		return s.guard.err
	}
	return fmt.Errorf("%w: %w", errors.New(err.Error()), ErrCorrupt)
}
