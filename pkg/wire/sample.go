package wire

import (
	"fmt"
	"slices"
	"unicode/utf8"

	"odepipe/pkg/tensor"

	"github.com/apache/arrow/go/v15/arrow"
)

// ColumnType says which of a column's slices holds its data.
type ColumnType int

// The types of columns.
const (
	Int64  ColumnType = iota // I64
	Int32                    // I32
	Values                   // Value, of element type DType
)

// Column is one column of the sample table: a number per sample, or, with a Shape, a tensor per sample. Shape and
// DType are of Values only; Value is [rows, Shape...], row-major. A shape [1] is a tensor of one element, no shape a
// plain column.
type Column struct {
	Name  string
	Type  ColumnType
	Shape []int
	DType tensor.DType // a writer takes an empty one from Value
	I64   []int64
	I32   []int32
	Value tensor.Buffer
}

// Samples is one record batch of the sample table: a mini-batch.
type Samples struct {
	Rows    int
	Columns []Column
}

// Column is the column of that name, or nil.
func (s *Samples) Column(name string) *Column { return find(s.Columns, name) }

func find(columns []Column, name string) *Column {
	for i := range columns {
		if columns[i].Name == name {
			return &columns[i]
		}
	}
	return nil
}

// items is the number of elements per sample.
func (c *Column) items() int {
	n, _ := size(c.Shape)
	return n
}

// rows is the number of samples that the column's data make up; false if they make up no whole number.
func (c *Column) rows() (int, bool) {
	switch c.Type {
	case Int64:
		return len(c.I64), true
	case Int32:
		return len(c.I32), true
	}
	n := c.items()
	return c.Value.Len() / n, c.Value.Len()%n == 0
}

// describe is the column without its data, with its element type.
//
// It returns ErrTable for a name that is empty or no UTF-8, an unknown type, or a shape that a tensor cannot have.
func (c *Column) describe() (Column, error) {
	d := Column{Name: c.Name, Type: c.Type}
	if c.Name == "" || !utf8.ValidString(c.Name) {
		return d, fmt.Errorf("column name %.40q: %w", c.Name, ErrTable)
	}
	switch c.Type {
	case Int64, Int32:
		return d, nil
	case Values:
	default:
		return d, fmt.Errorf("column %q has unknown type %d: %w", c.Name, c.Type, ErrTable)
	}
	if n, ok := size(c.Shape); !ok || n == 0 {
		return d, fmt.Errorf("column %q has shape %v: %w", c.Name, c.Shape, ErrTable)
	}
	d.Shape, d.DType = slices.Clone(c.Shape), c.DType
	if d.DType == "" {
		d.DType = dtypeOf(c.Value)
	}
	return d, nil
}

// describeAll describes columns of distinct names.
func describeAll(columns []Column) ([]Column, error) {
	out := make([]Column, len(columns))
	for i := range columns {
		var err error
		if out[i], err = columns[i].describe(); err != nil {
			return nil, err
		}
		if find(out[:i], out[i].Name) != nil {
			return nil, fmt.Errorf("column %q appears twice: %w", out[i].Name, ErrTable)
		}
	}
	return out, nil
}

// sampleSchema is the schema of the columns.
func sampleSchema(columns []Column, md *arrow.Metadata) *arrow.Schema {
	fields := make([]arrow.Field, len(columns))
	for i := range columns {
		fields[i] = columns[i].field()
	}
	return arrow.NewSchema(fields, md)
}
