package wire

import (
	"fmt"
	"io"

	"odepipe/pkg/tensor"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/ipc"
)

// source reads the schema and the batches of a stream behind a guard. Its first error stays.
type source struct {
	guard   *guard
	kinds   []Kind
	table   func(*arrow.Schema) error // takes the schema over, if it is that of the table
	footer  *footer                   // of a file, which the batches must agree with
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
	reader, err := ipc.NewReaderFromMessageReader(s.guard)
	if err != nil {
		return s.cause(err)
	}
	schema := reader.Schema()
	if s.header, err = parseHeader(schema.Metadata(), s.kinds); err != nil {
		return err
	}
	return s.table(schema)
}

// next reads a batch, which lives in the guard's memory until the next call. It returns io.EOF after the last.
func (s *source) next() error {
	if err := s.open(); err != nil {
		return err
	}
	if s.err != nil {
		return s.err
	}
	s.batches++
	if s.err = s.guard.read(); s.err != nil && s.err != io.EOF {
		return s.fail(s.err)
	}
	if s.err == io.EOF && s.footer != nil {
		if err := s.footer.agrees(s.guard); err != nil {
			s.err = err
		}
	}
	return s.err
}

// rows is the number of rows of the batch.
func (s *source) rows() int { return int(s.guard.rows) }

// int64s, int32s and floats are the numbers of a column, or the items of its lists; texts are the spans of a column of
// text, lists those of the items of its lists.
func (s *source) int64s(column int) []int64 {
	c := &s.guard.cells[column]
	return arrow.Int64Traits.CastFromBytes(s.guard.bytes(c.data, 8))[:c.numbers()]
}

func (s *source) int32s(column int) []int32 {
	c := &s.guard.cells[column]
	return arrow.Int32Traits.CastFromBytes(s.guard.bytes(c.data, 4))[:c.numbers()]
}

func (s *source) floats(column int, d tensor.DType) tensor.Buffer {
	c := &s.guard.cells[column]
	if d == tensor.Float64 {
		return tensor.Buffer{F64: arrow.Float64Traits.CastFromBytes(s.guard.bytes(c.data, 8))[:c.numbers()]}
	}
	return tensor.Buffer{F32: arrow.Float32Traits.CastFromBytes(s.guard.bytes(c.data, 4))[:c.numbers()]}
}

func (s *source) texts(column int) spans {
	c := &s.guard.cells[column]
	bytes := s.guard.bytes(c.data, 1)
	return spans{ends: arrow.Int32Traits.CastFromBytes(s.guard.bytes(c.ends, 4)), items: len(bytes), bytes: bytes}
}

func (s *source) lists(column int) spans {
	c := &s.guard.cells[column]
	return spans{ends: arrow.Int32Traits.CastFromBytes(s.guard.bytes(c.ends, 4)), items: int(c.items)}
}

// fail makes err the source's error, with the number of the batch in which it happened.
func (s *source) fail(err error) error {
	s.err = fmt.Errorf("batch %d: %w", s.batches-1, err)
	return s.err
}

// cause is the guard's error where there is one: the library reports it in other words. What only the library objects to
// is damage.
func (s *source) cause(err error) error {
	if s.guard.err != nil {
		return s.guard.err
	}
	return fmt.Errorf("%v: %w", err, ErrCorrupt)
}
