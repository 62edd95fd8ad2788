package wire

import (
	"fmt"
	"io"
	"slices"

	"odepipe/pkg/tensor"

	"github.com/apache/arrow/go/v15/arrow"
)

// TensorReader reads a stream of the tensor table. Its first error stays.
type TensorReader struct {
	source source
	dtype  tensor.DType
	seen   map[key]struct{}
}

// NewTensorReader makes a reader. Nothing is read before Header or Next.
func NewTensorReader(r io.Reader, l Limits) *TensorReader {
	t := &TensorReader{seen: map[key]struct{}{}}
	t.source = newSource(r, l, tensorKinds, t.table)
	return t
}

// Header returns the stream's header and element type. It waits until they have come.
//
// It returns ErrEmpty, ErrNotArrow or ErrTruncated for what is not the beginning of a stream; ErrVersion, ErrKind or
// ErrTable for a stream that is not a tensor table of this version; ErrCorrupt, ErrChecksum or ErrLimit for a damaged
// one; and what reading returned.
func (r *TensorReader) Header() (Header, tensor.DType, error) {
	if err := r.source.open(); err != nil {
		return Header{}, "", err
	}
	return r.source.header, r.dtype, nil
}

// table checks that a schema is that of the tensor table and takes its element type over. Whether it says that items
// may be null is no difference: none are.
func (r *TensorReader) table(schema *arrow.Schema) error {
	fields := schema.Fields()
	want := tensorSchema(tensor.Float32, nil).Fields()
	if len(fields) != len(want) {
		return fmt.Errorf("%d columns: %w", len(fields), ErrTable)
	}
	for i, f := range fields {
		a, b := f.Type, want[i].Type
		if l, ok := a.(*arrow.ListType); ok && b.ID() == arrow.LIST {
			a, b = l.Elem(), b.(*arrow.ListType).Elem()
		}
		d, float := elementOf(a)
		if float && b.ID() == arrow.FLOAT32 {
			r.dtype, a = d, b
		}
		if f.Name != want[i].Name || a.ID() != b.ID() {
			return fmt.Errorf("column %d is %.40q of type %v, not %q: %w", i, f.Name, f.Type, want[i].Name, ErrTable)
		}
	}
	return nil
}

// Next reads one batch into s, whose values then alias the reader's memory until the next call. It returns io.EOF after
// the last batch, when the end of the stream is proven, and otherwise as Header does, with the number of the batch and,
// for ErrChecksum, the tensor.
func (r *TensorReader) Next(s *Set) error {
	if err := r.source.next(); err != nil {
		return err
	}
	if err := r.take(s); err != nil {
		return r.source.fail(err)
	}
	return nil
}

// take fills s from a batch of the tensor table.
func (r *TensorReader) take(s *Set) error {
	n := r.source.rows()
	names, roles, shapes, ranges := r.source.texts(1), r.source.texts(2), r.source.lists(3), r.source.lists(4)
	if n == 0 || !names.sound(n) || !roles.sound(n) || !shapes.sound(n) || !ranges.sound(n) {
		return fmt.Errorf("%d rows: %w", n, ErrCorrupt)
	}
	steps, sums := r.source.int64s(0), r.source.int32s(5)
	sizes, values := r.source.int32s(3), r.source.floats(4, r.dtype)
	s.Step = steps[0]
	s.Tensors = slices.Grow(s.Tensors[:0], n)[:n]
	for i := range s.Tensors {
		t := &s.Tensors[i]
		if steps[i] != s.Step {
			return fmt.Errorf("rows of steps %d and %d: %w", s.Step, steps[i], ErrCorrupt)
		}
		t.Name, t.Role = reuse(t.Name, names.at(i)), Role(reuse(string(t.Role), roles.at(i)))
		t.Shape = reuseShape(t.Shape, sizes[shapes.ends[i]:shapes.ends[i+1]])
		t.Value = values.Slice(int(ranges.ends[i]), int(ranges.ends[i+1]))
	}
	if err := s.check(r.seen); err != nil {
		return err
	}
	for i := range s.Tensors {
		if t := &s.Tensors[i]; checksum(t.Value) != uint32(sums[i]) {
			return fmt.Errorf("step %d: %s %s: %w", s.Step, t.Role, t.Name, ErrChecksum)
		}
	}
	return nil
}

// spans is a column of strings or lists: row i is items ends[i] to ends[i+1].
type spans struct {
	ends  []int32
	items int    // how many there are
	bytes []byte // of strings
}

// sound tells whether n rows lie, one after the other, within the items.
func (s spans) sound(n int) bool {
	return len(s.ends) > n && s.ends[0] >= 0 && slices.IsSorted(s.ends[:n+1]) && int(s.ends[n]) <= s.items
}

func (s spans) at(i int) []byte { return s.bytes[s.ends[i]:s.ends[i+1]] }

// reuse is the text in b, without allocating if it is the same as before, as it is in a stream's every batch.
func reuse(before string, b []byte) string {
	if before == string(b) {
		return before
	}
	return string(b)
}

// reuseShape is the shape in dims, without allocating if it is the same as before.
func reuseShape(before []int, dims []int32) []int {
	same := slices.EqualFunc(before, dims, func(a int, b int32) bool { return a == int(b) })
	if same {
		return before
	}
	shape := make([]int, len(dims))
	for i, d := range dims {
		shape[i] = int(d)
	}
	return shape
}
