package dataset

import (
	"errors"

	"odepipe/pkg/tensor"
)

// What can be wrong with a data set; errors wrap one of these with the file and the place.
var (
	ErrUnknown   = errors.New("dataset: no such data set")
	ErrSplit     = errors.New("dataset: no such split")
	ErrMissing   = errors.New("dataset: file is missing")
	ErrFormat    = errors.New("dataset: wrong format")
	ErrSize      = errors.New("dataset: wrong number of bytes")
	ErrShape     = errors.New("dataset: wrong shape")
	ErrLabel     = errors.New("dataset: label out of range")
	ErrNonFinite = errors.New("dataset: value is not finite")
	ErrInterval  = errors.New("dataset: interval of length 0")
	ErrAugment   = errors.New("dataset: no such augmentation")
	ErrPlan      = errors.New("dataset: no such mini-batches")
)

// Set is one split of a data set.
type Set struct {
	Name, Split string
	Rows        int // at least 1
	Columns     []Column
}

// Column is a named array [Rows, Shape...], row-major. Exactly one of Pixels, Values and Ints is set: pixels and values
// are tensors of floats, or with the scalar shape one float a row (a time); ints are one number a row (a class, a
// length) and have the scalar shape. NaN is a value that is missing in a series; nothing else is not finite.
type Column struct {
	Name   string
	Shape  tensor.Shape
	Pixels *Pixels // byte b stands for Levels[b]
	Levels *[256]float32
	Values tensor.Buffer
	Ints   []int32
}

// DType is the element type of a column of floats: float64 only where the user's own file is.
func (c *Column) DType() tensor.DType {
	if c.Values.F64 != nil {
		return tensor.Float64
	}
	return tensor.Float32
}

// GatherValues writes the given rows of a column of floats: dst [len(index), Shape...], of the column's element type. It
// returns what reading pixels from a file returned.
func (c *Column) GatherValues(dst tensor.Buffer, index []int64) error {
	size := c.Shape.Size()
	for k, i := range index {
		lo, at := int(i)*size, k*size
		switch {
		case c.Pixels != nil:
			bytes, err := c.Pixels.row(int(i))
			if err != nil {
				return err
			}
			row := dst.F32[at : at+size]
			for j, b := range bytes {
				row[j] = c.Levels[b]
			}
		case c.Values.F64 != nil:
			copy(dst.F64[at:at+size], c.Values.F64[lo:lo+size])
		default:
			copy(dst.F32[at:at+size], c.Values.F32[lo:lo+size])
		}
	}
	return nil
}

// GatherInts writes the given rows of a column of ints: dst [len(index)].
func (c *Column) GatherInts(dst []int32, index []int64) {
	for k, i := range index {
		dst[k] = c.Ints[i]
	}
}

// levels tabulates (b/255 - mean) / std over the bytes b, every operation rounded to float32 as torchvision's
// ToTensor and Normalize do.
func levels(mean, std float32) *[256]float32 {
	var table [256]float32
	for b := range table {
		table[b] = (float32(b)/255 - mean) / std
	}
	return &table
}
