package wire

import (
	"fmt"
	"hash/crc32"
	"math"
	"slices"
	"unicode/utf8"

	"odepipe/pkg/tensor"

	"github.com/apache/arrow/go/v15/arrow"
)

// Role says what a row of the tensor table is.
type Role string

// The roles of the contract.
const (
	Param   Role = "param"   // a parameter
	Grad    Role = "grad"    // dL/d(parameter), mean over the batch
	KronA   Role = "kron_a"  // Kronecker factor A (inputs) of the layer of that name
	KronB   Role = "kron_b"  // Kronecker factor B (output cotangents)
	Scalar  Role = "scalar"  // one number
	P       Role = "p"       // rows p_i of Proposition 2, [B, size of the parameter]
	QUU     Role = "q_uu"    // Theorem 1
	Hessian Role = "hessian" // a dense second derivative
)

// StateRole is the role of an optimizer's own tensor, "state.<what>".
func StateRole(what string) Role { return Role("state." + what) }

// Tensor is one row of the tensor table: Value holds the product of Shape numbers, row-major. An empty Shape is a
// scalar. Of a tensor to be written, Fill may stand for the Value: it writes these numbers to their place in the stream,
// so that they need no other on the host; its error is the writer's.
type Tensor struct {
	Name  string
	Role  Role
	Shape []int
	Value tensor.Buffer
	Fill  func(dst tensor.Buffer) error
}

// Set is one record batch of the tensor table: all rows of one step. Names are unique within a role.
type Set struct {
	Step    int64
	Tensors []Tensor
}

// Find is the tensor of that role and name, or nil.
func (s *Set) Find(role Role, name string) *Tensor {
	for i := range s.Tensors {
		if t := &s.Tensors[i]; t.Name == name && t.Role == role {
			return t
		}
	}
	return nil
}

// Scalar is the number of role Scalar and that name; false if there is none.
func (s *Set) Scalar(name string) (float64, bool) {
	t := s.Find(Scalar, name)
	if t == nil || t.Value.Len() != 1 {
		return 0, false
	}
	return t.Value.At(0), true
}

// AddScalar appends a number of role Scalar. A stream rounds it to its element type.
func (s *Set) AddScalar(name string, value float64) {
	s.Tensors = append(s.Tensors, Tensor{Name: name, Role: Scalar, Value: tensor.Buffer{F64: []float64{value}}})
}

// Clone copies the set with its values.
func (s *Set) Clone() *Set {
	c := &Set{}
	c.Copy(s)
	return c
}

// Copy makes the set a copy of another, with its values, in the memory that it has where that suffices.
func (s *Set) Copy(from *Set) {
	s.Step = from.Step
	s.Tensors = slices.Grow(s.Tensors[:0], len(from.Tensors))[:len(from.Tensors)]
	for i, t := range from.Tensors {
		own := &s.Tensors[i]
		value, shape := own.Value, own.Shape
		*own = t
		own.Shape = append(shape[:0], t.Shape...)
		own.Value = tensor.Buffer{}
		if t.Value.F32 != nil {
			own.Value.F32 = append(value.F32[:0], t.Value.F32...)
		} else if t.Value.F64 != nil {
			own.Value.F64 = append(value.F64[:0], t.Value.F64...)
		}
	}
}

// key identifies a tensor within a set.
type key struct {
	role Role
	name string
}

// check returns ErrTable if the set cannot be a batch of the tensor table: no tensors, a bad or repeated name, or a
// shape that is not that of its value.
func (s *Set) check(seen map[key]struct{}) error {
	if len(s.Tensors) == 0 {
		return fmt.Errorf("step %d has no tensors: %w", s.Step, ErrTable)
	}
	clear(seen)
	for i := range s.Tensors {
		t := &s.Tensors[i]
		if t.Name == "" || t.Role == "" || !utf8.ValidString(t.Name) || !utf8.ValidString(string(t.Role)) {
			return fmt.Errorf("tensor %d has name %.40q and role %.40q: %w", i, t.Name, t.Role, ErrTable)
		}
		if n, ok := size(t.Shape); !ok || n != t.Value.Len() && t.Fill == nil {
			return fmt.Errorf("%s %s: shape %v for %d values: %w", t.Role, t.Name, t.Shape, t.Value.Len(), ErrTable)
		}
		k := key{t.Role, t.Name}
		if _, twice := seen[k]; twice {
			return fmt.Errorf("%s %s appears twice: %w", t.Role, t.Name, ErrTable)
		}
		seen[k] = struct{}{}
	}
	return nil
}

// size is the product of the dimensions, 1 for a scalar; false if there are more than tensor.MaxRank, one is negative,
// or the product is no 31-bit number, the most that an Arrow list holds.
func size(shape []int) (int, bool) {
	if len(shape) > tensor.MaxRank {
		return 0, false
	}
	n := int64(1)
	for _, d := range shape {
		if d < 0 || d > math.MaxInt32 {
			return 0, false
		}
		if n *= int64(d); n > math.MaxInt32 {
			return 0, false
		}
	}
	return int(n), true
}

// tensorSchema is the schema of the tensor table: one row per tensor.
func tensorSchema(d tensor.DType, md *arrow.Metadata) *arrow.Schema {
	return arrow.NewSchema([]arrow.Field{
		{Name: "step", Type: arrow.PrimitiveTypes.Int64},
		{Name: "name", Type: arrow.BinaryTypes.String},
		{Name: "role", Type: arrow.BinaryTypes.String},
		{Name: "shape", Type: arrow.ListOfNonNullable(arrow.PrimitiveTypes.Int32)},
		{Name: "value", Type: arrow.ListOfNonNullable(element(d))},
		{Name: "crc32c", Type: arrow.PrimitiveTypes.Uint32},
	}, md)
}

// element is the Arrow type of an element type.
func element(d tensor.DType) arrow.DataType {
	if d == tensor.Float64 {
		return arrow.PrimitiveTypes.Float64
	}
	return arrow.PrimitiveTypes.Float32
}

// elementOf is the inverse of element; false for any other type.
func elementOf(t arrow.DataType) (tensor.DType, bool) {
	switch t.ID() {
	case arrow.FLOAT32:
		return tensor.Float32, true
	case arrow.FLOAT64:
		return tensor.Float64, true
	}
	return "", false
}

// valueBytes is the memory of a host buffer, and its little-endian bytes on the machines that Arrow streams are
// written on here.
func valueBytes(b tensor.Buffer) []byte {
	if b.F64 != nil {
		return arrow.Float64Traits.CastToBytes(b.F64)
	}
	return arrow.Float32Traits.CastToBytes(b.F32)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum is the CRC-32C (Castagnoli) of a value's bytes.
func checksum(b tensor.Buffer) uint32 { return crc32.Checksum(valueBytes(b), castagnoli) }
