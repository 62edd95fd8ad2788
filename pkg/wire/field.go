package wire

import (
	"encoding/json"
	"fmt"
	"slices"

	"odepipe/pkg/tensor"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/ipc"
)

// fixedShapeTensor is Arrow's canonical extension for tensors of one shape: a fixed-size list of the elements,
// row-major, with the shape in the field's metadata, {"shape":[1,28,28]}. Arrow v15 does not know it; its wire form is
// these two metadata keys, so nothing is registered and a reader sees the list and the keys.
const fixedShapeTensor = "arrow.fixed_shape_tensor"

// fixedShape is the extension's metadata. A permutation other than the identity would change the layout.
type fixedShape struct {
	Shape       []int `json:"shape"`
	Permutation []int `json:"permutation,omitempty"`
}

// field is the column's field in a schema: a tensor if it has a shape, else a plain column.
func (c *Column) field() arrow.Field {
	switch {
	case c.Type == Int64:
		return arrow.Field{Name: c.Name, Type: arrow.PrimitiveTypes.Int64}
	case c.Type == Int32:
		return arrow.Field{Name: c.Name, Type: arrow.PrimitiveTypes.Int32}
	case len(c.Shape) == 0:
		return arrow.Field{Name: c.Name, Type: element(c.DType)}
	}
	text, err := json.Marshal(fixedShape{Shape: c.Shape})
	if err != nil {
		panic("wire: a list of integers has no JSON form")
	}
	n, _ := size(c.Shape)
	return arrow.Field{
		Name: c.Name,
		Type: arrow.FixedSizeListOfNonNullable(int32(n), element(c.DType)),
		Metadata: arrow.NewMetadata(
			[]string{ipc.ExtensionTypeKeyName, ipc.ExtensionMetadataKeyName},
			[]string{fixedShapeTensor, string(text)}),
	}
}

// columnOf is the inverse of field. A fixed-size list without the extension is a vector.
//
// It returns ErrTable for any other type, and ErrCorrupt for a shape that does not fit the list.
func columnOf(f arrow.Field) (Column, error) {
	c := Column{Name: f.Name, Type: Values}
	switch t := f.Type.(type) {
	case *arrow.Int64Type:
		c.Type = Int64
		return c, nil
	case *arrow.Int32Type:
		c.Type = Int32
		return c, nil
	case *arrow.FixedSizeListType:
		var ok bool
		if c.DType, ok = elementOf(t.Elem()); ok {
			var err error
			c.Shape, err = shapeOf(f.Metadata, int(t.Len()))
			return c, err
		}
	default:
		var ok bool
		if c.DType, ok = elementOf(t); ok {
			return c, nil
		}
	}
	return c, fmt.Errorf("column %.40q has type %v: %w", f.Name, f.Type, ErrTable)
}

// shapeOf reads the shape of a fixed-size list of n elements from its field's metadata.
func shapeOf(md arrow.Metadata, n int) ([]int, error) {
	if name, _ := md.GetValue(ipc.ExtensionTypeKeyName); name != fixedShapeTensor {
		return []int{n}, nil
	}
	text, _ := md.GetValue(ipc.ExtensionMetadataKeyName)
	var s fixedShape
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return nil, fmt.Errorf("tensor's shape %.60q: %w", text, ErrCorrupt)
	}
	if got, ok := size(s.Shape); !ok || got != n || len(s.Shape) == 0 {
		return nil, fmt.Errorf("tensor of shape %v in a list of %d, or of too high a rank: %w", s.Shape, n, ErrCorrupt)
	}
	if !slices.IsSorted(s.Permutation) {
		return nil, fmt.Errorf("tensor with permuted dimensions %v: %w", s.Permutation, ErrTable)
	}
	return s.Shape, nil
}

// dtypeOf is the element type of a host buffer that is not empty.
func dtypeOf(b tensor.Buffer) tensor.DType {
	if b.F64 != nil {
		return tensor.Float64
	}
	return tensor.Float32
}
