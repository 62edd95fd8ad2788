package dataset

import (
	"fmt"
	"math"

	"odepipe/pkg/tensor"
)

// array is the content of a file of numbers, row-major; one of bytes, ints and values is set, or none if it is empty.
type array struct {
	shape  []int
	bytes  []byte
	ints   []int64
	values tensor.Buffer
}

// identity is what the bytes of the user's own files stand for.
var identity = func() *[256]float32 {
	var table [256]float32
	for b := range table {
		table[b] = float32(b)
	}
	return &table
}()

// size is the number of elements.
func (a *array) size() int { return len(a.bytes) + len(a.ints) + a.values.Len() }

// floats is the array as a column of floats: [N] as [N, 1].
func (a *array) floats(name string) Column {
	sample := tensor.Of(1)
	if len(a.shape) > 1 {
		sample = tensor.Of(a.shape[1:]...)
	}
	column := Column{Name: name, Shape: sample, Values: a.values}
	switch {
	case a.bytes != nil:
		column.Pixels, column.Levels = inMemory(a.bytes, sample.Size()), identity
	case a.ints != nil:
		column.Values.F32 = make([]float32, len(a.ints))
		for i, n := range a.ints {
			column.Values.F32[i] = float32(n)
		}
	}
	return column
}

// numbers is the array [N] or [N, 1] as whole numbers lo to hi; its errors name the file and say what they are.
func (a *array) numbers(path string, lo, hi int64, what string) ([]int32, error) {
	if a.values.Len() > 0 || a.size() != a.shape[0] {
		return nil, fmt.Errorf("%s: %w: %v; %s, [N] or [N, 1]", path, ErrShape, a.shape, what)
	}
	out := make([]int32, a.size())
	for i := range out {
		n := int64(0)
		if a.bytes != nil {
			n = int64(a.bytes[i])
		} else {
			n = a.ints[i]
		}
		if n < lo || n > hi {
			return nil, fmt.Errorf("%s: %w: row %d (from 0): %d is not in %d to %d; %s", path, ErrLabel, i, n, lo, hi, what)
		}
		out[i] = int32(n)
	}
	return out, nil
}

// float64s is the elements as float64.
func (a *array) float64s() []float64 {
	out := make([]float64, a.size())
	for i := range out {
		switch {
		case a.bytes != nil:
			out[i] = float64(a.bytes[i])
		case a.ints != nil:
			out[i] = float64(a.ints[i])
		default:
			out[i] = a.values.At(i)
		}
	}
	return out
}

// clear sets the elements [lo, hi) to 0.
func (a *array) clear(lo, hi int) {
	switch {
	case a.bytes != nil:
		clear(a.bytes[lo:hi])
	case a.ints != nil:
		clear(a.ints[lo:hi])
	case a.values.F64 != nil:
		clear(a.values.F64[lo:hi])
	default:
		clear(a.values.F32[lo:hi])
	}
}

// checkRows is an error unless the array has rows that pair with those of x.
func (a *array) checkRows(path, xPath string, rows int) error {
	switch {
	case len(a.shape) == 0 || len(a.shape) > tensor.MaxRank || rows > 0 && a.size() == 0:
		return fmt.Errorf("%s: %w: %v; it is [N, ...] with 1 to 4 dimensions and no dimension 0", path, ErrShape, a.shape)
	case a.shape[0] != rows:
		return fmt.Errorf("%w: %s has %d rows, %s has %d", ErrShape, xPath, rows, path, a.shape[0])
	}
	return nil
}

// checkFinite is an error that says where the first value lies that is NaN or infinite.
func (a *array) checkFinite(path string) error {
	return a.check(path, func(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) })
}

// checkNotInfinite does so for infinite values alone: a NaN is one that was not observed.
func (a *array) checkNotInfinite(path string) error {
	return a.check(path, func(v float64) bool { return !math.IsInf(v, 0) })
}

func (a *array) check(path string, good func(v float64) bool) error {
	width := a.size() / a.shape[0]
	for i := range a.values.Len() {
		if v := a.values.At(i); !good(v) {
			return fmt.Errorf("%s: %w: row %d, column %d (from 0): %v", path, ErrNonFinite, i/width, i%width, v)
		}
	}
	return nil
}
