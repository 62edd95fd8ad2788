package dataset

import (
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"strings"

	"odepipe/pkg/tensor"
)

// rawFlow is an original file of a table, and how its rows are made those of the flow literature (Papamakarios, Pavlakou
// and Murray, "Masked autoregressive flow for density estimation", 2017, and its published code): columns [d][N],
// standardised, in the order of heldOut.
type rawFlow struct {
	file    string
	prepare func(path string) ([][]float64, error)
}

// loadFlow makes the loader of a table of the flow literature, x [d] and no y: from the preprocessed train.npy, val.npy
// and test.npy as they are, and where that of the split is missing, from the first raw file that is there.
func loadFlow(name string, d int, raw ...rawFlow) func(Request) (*Set, error) {
	return func(request Request) (*Set, error) {
		part := request.Split + ".npy"
		names := []string{part, part + ".gz"}
		for _, r := range raw {
			names = append(names, r.file, r.file+".gz")
		}
		path, err := locate(request.Folder, names, name, ".")
		if err != nil {
			return nil, err
		}
		file := strings.TrimSuffix(filepath.Base(path), ".gz")
		for _, r := range raw {
			if r.file == file {
				return loadRaw(path, r, d, request.Split)
			}
		}
		a, err := readTable(path, d)
		if err != nil {
			return nil, err
		}
		x := make([]float32, a.values.Len())
		for i := range x {
			x[i] = float32(a.values.At(i))
		}
		return flowSet(x, d), nil
	}
}

// flowSet is the set of rows [N, d].
func flowSet(x []float32, d int) *Set {
	return &Set{Rows: len(x) / d, Columns: []Column{{Name: "x", Shape: tensor.Of(d), Values: tensor.Buffer{F32: x}}}}
}

// readTable reads a .npy file of finite floats [N, d].
func readTable(path string, d int) (*array, error) {
	var a *array
	err := read(path, func(in *input) (err error) {
		a, err = decodeNPY(in)
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case len(a.shape) != 2 || a.shape[1] != d || a.values.Len() == 0:
		return nil, fmt.Errorf("%s: %w: %v; expected floats [N, %d]", path, ErrShape, a.shape, d)
	}
	return a, a.checkFinite(path)
}

// loadRaw is a split of a raw file.
func loadRaw(path string, raw rawFlow, d int, split string) (*Set, error) {
	columns, err := raw.prepare(path)
	if err != nil {
		return nil, err
	}
	if len(columns) != d {
		return nil, fmt.Errorf("%s: %w: its preprocessing leaves %d columns, expected %d", path, ErrShape, len(columns), d)
	}
	lo, hi := heldOut(len(columns[0]), split)
	if lo == hi {
		return nil, fmt.Errorf("%s: %w: %d rows are too few for a split %s", path, ErrSplit, len(columns[0]), split)
	}
	x := make([]float32, (hi-lo)*d)
	for j, column := range columns {
		for i, v := range column[lo:hi] {
			x[i*d+j] = float32(v)
		}
	}
	return flowSet(x, d), nil
}

// heldOut are the rows [lo, hi) of a split of n: the last tenth is test, the last tenth of the others val.
func heldOut(n int, split string) (lo, hi int) {
	test := n - n/10
	val := test - test/10
	switch split {
	case Train:
		return 0, val
	case Val:
		return val, test
	}
	return test, n
}

// parseRow appends the numbers of a line, between blanks, to the columns, but for the first few. Its errors do not name
// the line.
func parseRow(line string, skip int, columns [][]float64) error {
	fields := strings.Fields(line)
	if len(fields) != skip+len(columns) {
		return fmt.Errorf("%w: %d columns, expected %d", ErrShape, len(fields), skip+len(columns))
	}
	for j, field := range fields[skip:] {
		v, err := strconv.ParseFloat(field, 64)
		if err != nil {
			return fmt.Errorf("%w: column %d: %.40q is no number", ErrFormat, skip+j+1, field)
		}
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("%w: column %d: %s", ErrNonFinite, skip+j+1, field)
		}
		columns[j] = append(columns[j], v)
	}
	return nil
}
