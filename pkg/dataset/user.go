package dataset

import (
	"fmt"
	"math"
	"path/filepath"
	"strings"

	"odepipe/pkg/tensor"
)

// Files names the user's own arrays, in .npy or .csv, either of them also as .gz; "-" is standard input. An empty
// name is a column that there is not.
type Files struct {
	X      string // [N, ...], 2 to 4 dimensions; [N, T, C] for series
	Y      string // [N] or [N, 1] whole numbers from 0: classes; floats [N, ...]: targets
	Length string // [N] whole numbers 1 to T: the true number of time points
	Times  string // [N, T]: the time of every point of the series, units of t, increasing up to its length
	T0, T1 string // [N] or [N, 1]: the interval of each sample, units of t; one alone leaves the other to the model
}

// LoadFiles reads the user's own data set, which is one split, whatever the caller calls it. Columns keep float64 where
// the file has it, else they are float32, but for t0 and t1, which are float64; nothing is normalised. Behind a series'
// length x is set to 0, so that padding may hold anything. All values that count must be finite, but in series a NaN is a
// value that was not observed; and t0 is not t1.
func LoadFiles(files Files, split string) (*Set, error) {
	x, err := readArray(files.X, tensor.Float32)
	if err != nil {
		return nil, err
	}
	if rank := len(x.shape); rank < 2 || rank > tensor.MaxRank || x.size() == 0 {
		return nil, fmt.Errorf("%s: %w: %v; x is [N, ...] with 2 to 4 dimensions and no dimension 0", files.X, ErrShape, x.shape)
	}
	set := &Set{Name: filepath.Base(files.X), Split: split, Rows: x.shape[0]}
	var length []int32
	if files.Length != "" {
		if length, err = readLength(files, x); err != nil {
			return nil, err
		}
	}
	check := x.checkFinite
	if len(x.shape) == 3 {
		check = x.checkNotInfinite
	}
	if err := check(files.X); err != nil {
		return nil, err
	}
	set.Columns = append(set.Columns, x.floats("x"))
	if length != nil {
		set.Columns = append(set.Columns, Column{Name: "length", Ints: length})
	}
	if files.Times != "" {
		times, err := readPoints(files, x, length)
		if err != nil {
			return nil, err
		}
		set.Columns = append(set.Columns, times)
	}
	interval, err := readInterval(files, set.Rows)
	if err != nil {
		return nil, err
	}
	set.Columns = append(set.Columns, interval...)
	if files.Y != "" {
		y, err := readY(files, set.Rows)
		if err != nil {
			return nil, err
		}
		set.Columns = append(set.Columns, y)
	}
	return set, nil
}

// readInterval reads the columns t0 and t1, those that there are, for as many rows as x has.
func readInterval(files Files, rows int) ([]Column, error) {
	var columns []Column
	for _, end := range []struct{ name, path string }{{"t0", files.T0}, {"t1", files.T1}} {
		if end.path == "" {
			continue
		}
		times, err := readTimes(end.path, files.X, rows)
		if err != nil {
			return nil, err
		}
		columns = append(columns, Column{Name: end.name, Values: tensor.Buffer{F64: times}})
	}
	if len(columns) < 2 {
		return columns, nil
	}
	for i, t0 := range columns[0].Values.F64 {
		if t0 == columns[1].Values.F64[i] {
			return nil, fmt.Errorf("%s, %s: %w: row %d (from 0): both are %v", files.T0, files.T1, ErrInterval, i, t0)
		}
	}
	return columns, nil
}

// readPoints reads the times of the points of the series x. Those behind a length, nil for whole series, are set to 0.
func readPoints(files Files, x *array, length []int32) (Column, error) {
	if len(x.shape) != 3 {
		return Column{}, fmt.Errorf("%s: %w: %v; with times x is [N, T, C]", files.X, ErrShape, x.shape)
	}
	a, err := readArray(files.Times, tensor.Float64)
	if err != nil {
		return Column{}, err
	}
	rows, points := x.shape[0], x.shape[1]
	if err := a.checkRows(files.Times, files.X, rows); err != nil {
		return Column{}, err
	}
	if len(a.shape) != 2 || a.shape[1] != points {
		return Column{}, fmt.Errorf("%s: %w: %v; times of these series are [%d, %d]", files.Times, ErrShape, a.shape, rows, points)
	}
	times := a.float64s()
	for n := range rows {
		own := times[n*points : (n+1)*points]
		last := points
		if length != nil {
			last = int(length[n])
		}
		clear(own[last:])
		for i := range last {
			if math.IsNaN(own[i]) || math.IsInf(own[i], 0) || i > 0 && own[i] <= own[i-1] {
				return Column{}, fmt.Errorf("%s: %w: row %d (from 0): time %d is %v, behind the one before is due", files.Times, ErrInterval, n, i, own[i])
			}
		}
	}
	return Column{Name: "times", Shape: tensor.Of(points), Values: tensor.Buffer{F64: times}}, nil
}

// readTimes reads a time for each row of x, of which there are so many.
func readTimes(path, xPath string, rows int) ([]float64, error) {
	a, err := readArray(path, tensor.Float64)
	if err != nil {
		return nil, err
	}
	if err := a.checkRows(path, xPath, rows); err != nil {
		return nil, err
	}
	if a.size() != rows {
		return nil, fmt.Errorf("%s: %w: %v; times are one number a row, [N] or [N, 1]", path, ErrShape, a.shape)
	}
	return a.float64s(), a.checkFinite(path)
}

// readY reads classes or targets for as many rows as x has.
func readY(files Files, rows int) (Column, error) {
	y, err := readArray(files.Y, tensor.Float32)
	if err != nil {
		return Column{}, err
	}
	if err := y.checkRows(files.Y, files.X, rows); err != nil {
		return Column{}, err
	}
	if y.values.Len() > 0 {
		return y.floats("y"), y.checkFinite(files.Y)
	}
	classes, err := y.numbers(files.Y, 0, math.MaxInt32, "classes are whole numbers from 0, targets are written as floats")
	return Column{Name: "y", Ints: classes}, err
}

// readLength reads the lengths of the series x and sets x to 0 behind them.
func readLength(files Files, x *array) ([]int32, error) {
	if len(x.shape) != 3 {
		return nil, fmt.Errorf("%s: %w: %v; with a length x is [N, T, C]", files.X, ErrShape, x.shape)
	}
	lengths, err := readArray(files.Length, tensor.Float32)
	if err != nil {
		return nil, err
	}
	if err := lengths.checkRows(files.Length, files.X, x.shape[0]); err != nil {
		return nil, err
	}
	steps, channels := x.shape[1], x.shape[2]
	length, err := lengths.numbers(files.Length, 1, int64(steps), "a length is a whole number of time points of x")
	if err != nil {
		return nil, err
	}
	for i, n := range length {
		x.clear((i*steps+int(n))*channels, (i+1)*steps*channels)
	}
	return length, nil
}

// readArray reads a file of numbers by the ending of its name; without a known ending, standard input or a pipe for
// example, by its first bytes. The floats of a text, which has no type, become those of the type d.
func readArray(path string, d tensor.DType) (*array, error) {
	var a *array
	err := read(path, func(in *input) (err error) {
		start, _ := in.Peek(len(npyMagic))
		ending := filepath.Ext(strings.TrimSuffix(path, ".gz"))
		if ending == ".npy" || ending != ".csv" && string(start) == npyMagic {
			a, err = decodeNPY(in)
		} else {
			a, err = decodeCSV(in, d)
		}
		return err
	})
	return a, err
}
