package dataset_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"odepipe/pkg/dataset"
	"odepipe/pkg/tensor"
)

// npy is a .npy file of the values, which have a fixed size; version 1 to 3, little or big endian.
func npy(t *testing.T, version byte, descr, shape string, values any) []byte {
	t.Helper()
	header := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }\n", descr, shape)
	out := append([]byte("\x93NUMPY"), version, 0)
	if version == 1 {
		out = binary.LittleEndian.AppendUint16(out, uint16(len(header)))
	} else {
		out = binary.LittleEndian.AppendUint32(out, uint32(len(header)))
	}
	out = append(out, header...)
	var order binary.ByteOrder = binary.LittleEndian
	if descr[0] == '>' {
		order = binary.BigEndian
	}
	out, err := binary.Append(out, order, values)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// gathered is every row of a column as numbers.
func gathered(set *dataset.Set, c *dataset.Column) []float64 {
	index := make([]int64, set.Rows)
	for i := range index {
		index[i] = int64(i)
	}
	var out []float64
	if c.Ints != nil {
		ints := make([]int32, set.Rows)
		c.GatherInts(ints, index)
		for _, v := range ints {
			out = append(out, float64(v))
		}
		return out
	}
	values := c.DType().Make(set.Rows * c.Shape.Size())
	c.GatherValues(values, index)
	for i := range values.Len() {
		out = append(out, values.At(i))
	}
	return out
}

func TestUsersX(t *testing.T) {
	tests := []struct {
		name  string
		file  string
		bytes []byte
		shape tensor.Shape
		dtype tensor.DType
		want  []float64
	}{
		{"float32", "x.npy", npy(t, 1, "<f4", "2, 2", []float32{1, 2, 3, 4.5}), tensor.Of(2), tensor.Float32, []float64{1, 2, 3, 4.5}},
		{"float64 stays", "x.npy", npy(t, 2, "<f8", "2, 1", []float64{0.1, 2}), tensor.Of(1), tensor.Float64, []float64{0.1, 2}},
		{"big endian", "x.npy", npy(t, 3, ">f8", "1, 2", []float64{0.1, 2}), tensor.Of(2), tensor.Float64, []float64{0.1, 2}},
		{"bytes are not scaled", "x.npy", npy(t, 1, "|u1", "2, 1, 2, 1", []byte{0, 255, 3, 4}), tensor.Of(1, 2, 1), tensor.Float32, []float64{0, 255, 3, 4}},
		{"int16", "x.npy", npy(t, 1, "<i2", "2, 1", []int16{-5, 7}), tensor.Of(1), tensor.Float32, []float64{-5, 7}},
		{"uint32, big endian", "x.npy", npy(t, 1, ">u4", "1, 2", []uint32{1, 1 << 31}), tensor.Of(2), tensor.Float32, []float64{1, 1 << 31}},
		{"int8", "x.npy", npy(t, 1, "|i1", "1, 2", []int8{-128, 127}), tensor.Of(2), tensor.Float32, []float64{-128, 127}},
		{"packed", "x.npy.gz", zipped(t, npy(t, 1, "<f4", "1, 1", []float32{8})), tensor.Of(1), tensor.Float32, []float64{8}},
		{"csv", "x.csv", []byte("1,2\n3,4.5\n"), tensor.Of(2), tensor.Float32, []float64{1, 2, 3, 4.5}},
		{"csv with header, mark, blanks and blank lines", "x.csv", []byte("\xef\xbb\xbfa,b\r\n 1, 2 \r\n\r\n3,-4e1\r\n"), tensor.Of(2), tensor.Float32, []float64{1, 2, 3, -40}},
		{"csv with mark and without header", "x.csv", []byte("\xef\xbb\xbf1,2\n"), tensor.Of(2), tensor.Float32, []float64{1, 2}},
		{"csv of one column of whole numbers", "x.csv", []byte("1\n-2\n"), tensor.Of(1), tensor.Float32, []float64{1, -2}},
		{"npy without its ending", "x", npy(t, 1, "<f4", "1, 1", []float32{8}), tensor.Of(1), tensor.Float32, []float64{8}},
		{"csv without its ending", "x", []byte("8.5\n"), tensor.Of(1), tensor.Float32, []float64{8.5}},
	}
	for _, test := range tests {
		path := filepath.Join(write(t, map[string][]byte{test.file: test.bytes}), test.file)
		set, err := dataset.LoadFiles(dataset.Files{X: path}, "val")
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		x := &set.Columns[0]
		if got := gathered(set, x); !slices.Equal(got, test.want) || x.Shape != test.shape || x.DType() != test.dtype {
			t.Errorf("%s: %v of shape %v %s", test.name, got, x.Shape, x.DType())
		}
		if set.Name != test.file || set.Split != "val" || len(set.Columns) != 1 {
			t.Errorf("%s: set %s, split %s, %d columns", test.name, set.Name, set.Split, len(set.Columns))
		}
	}
}

func TestUsersXDamaged(t *testing.T) {
	good := npy(t, 1, "<f4", "2, 2", []float32{1, 2, 3, 4})
	tests := []struct {
		name, file string
		bytes      []byte
		want       error
		text       string
	}{
		{"not there", "", nil, dataset.ErrMissing, "x.npy"},
		{"no magic", "x.npy", []byte("hello, world"), dataset.ErrFormat, "it starts with 68 65 6c 6c 6f 2c"},
		{"empty", "x.npy", []byte{}, dataset.ErrSize, "inside the .npy header"},
		{"cut in the header", "x.npy", good[:40], dataset.ErrSize, "inside the .npy header"},
		{"cut in the values", "x.npy", good[:len(good)-1], dataset.ErrSize, fmt.Sprintf("%d expected, %d found", len(good), len(good)-1)},
		{"more than the values", "x.npy", append(slices.Clone(good), 1), dataset.ErrSize, "more found"},
		{"a future version", "x.npy", npy(t, 4, "<f4", "1, 1", []float32{1}), dataset.ErrFormat, "version 4"},
		{"half precision", "x.npy", npy(t, 1, "<f2", "1, 1", []uint16{1}), dataset.ErrFormat, `"f2"`},
		{"objects", "x.npy", npy(t, 1, "|O", "1, 1", []byte{1}), dataset.ErrFormat, "no plain array"},
		{"a promised terabyte", "x.npy", npy(t, 1, "<f4", "1000000, 1000, 100", []float32{1}), dataset.ErrSize, "expected"},
		{"an overflowing shape", "x.npy", npy(t, 1, "<f4", "9999999999, 9999999999", []float32{1}), dataset.ErrShape, "9999999999"},
		{"one dimension", "x.npy", npy(t, 1, "<f4", "2,", []float32{1, 2}), dataset.ErrShape, "[2]; x is [N, ...] with 2 to 4"},
		{"five dimensions", "x.npy", npy(t, 1, "<f4", "1, 1, 1, 1, 1", []float32{1}), dataset.ErrShape, "2 to 4"},
		{"no rows", "x.npy", npy(t, 1, "<f4", "0, 3", []float32{}), dataset.ErrShape, "no dimension 0"},
		{"NaN", "x.npy", npy(t, 1, "<f8", "2, 2", []float64{1, 2, 3, math.NaN()}), dataset.ErrNonFinite, "x.npy: dataset: value is not finite: row 1, column 1 (from 0): NaN"},
		{"infinity", "x.npy", npy(t, 1, "<f4", "2, 1", []float32{1, float32(math.Inf(-1))}), dataset.ErrNonFinite, "row 1, column 0 (from 0): -Inf"},
		{"a huge uint64", "x.npy", npy(t, 1, "<u8", "1, 1", []uint64{1 << 63}), dataset.ErrFormat, "element 0"},
		{"an empty csv", "x.csv", []byte{}, dataset.ErrShape, "[0 0]"},
		{"a csv of a header", "x.csv", []byte("a,b\n"), dataset.ErrShape, "[0 2]"},
		{"a word", "x.csv", []byte("a,b\n1,2\n3,red\n"), dataset.ErrFormat, `line 3, column 2: "red" is not a number`},
		{"beyond float32", "x.csv", []byte("1,2\n3,1e39\n"), dataset.ErrFormat, `line 2, column 2: "1e39"`},
		{"a ragged row", "x.csv", []byte("1,2\n3\n"), dataset.ErrFormat, "line 2 has another number of columns"},
		{"NaN in text", "x.csv", []byte("1,2\n3,nan\n"), dataset.ErrNonFinite, "line 2, column 2: nan"},
		{"an open quote", "x.csv", []byte("1,2\n\"3,4\n"), dataset.ErrFormat, "line 2"},
	}
	for _, test := range tests {
		folder := t.TempDir()
		if test.file == "" {
			test.file = "x.npy"
		} else {
			folder = write(t, map[string][]byte{test.file: test.bytes})
		}
		_, err := dataset.LoadFiles(dataset.Files{X: filepath.Join(folder, test.file)}, "train")
		if !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.text) {
			t.Errorf("%s: error is %v", test.name, err)
		}
	}
	fortran := []byte(strings.Replace(string(good), "'fortran_order': False", "'fortran_order': True ", 1))
	path := filepath.Join(write(t, map[string][]byte{"x.npy": fortran}), "x.npy")
	if _, err := dataset.LoadFiles(dataset.Files{X: path}, "train"); !errors.Is(err, dataset.ErrFormat) || !strings.Contains(err.Error(), "ascontiguousarray") {
		t.Errorf("Fortran order: error is %v", err)
	}
}

func TestUsersY(t *testing.T) {
	tests := []struct {
		name, file string
		bytes      []byte
		want       []float64
		class      bool
		shape      tensor.Shape
		err        error
		text       string
	}{
		{"int64 classes", "y.npy", npy(t, 1, "<i8", "2,", []int64{4, 0}), []float64{4, 0}, true, tensor.Of(), nil, ""},
		{"byte classes as a column", "y.npy", npy(t, 1, "|u1", "2, 1", []byte{4, 0}), []float64{4, 0}, true, tensor.Of(), nil, ""},
		{"truth values", "y.npy", npy(t, 1, "|b1", "2,", []byte{1, 0}), []float64{1, 0}, true, tensor.Of(), nil, ""},
		{"targets", "y.npy", npy(t, 1, "<f8", "2,", []float64{4, 0.5}), []float64{4, 0.5}, false, tensor.Of(1), nil, ""},
		{"targets of two outputs", "y.npy", npy(t, 1, "<f4", "2, 2", []float32{1, 2, 3, 4}), []float64{1, 2, 3, 4}, false, tensor.Of(2), nil, ""},
		{"csv classes", "y.csv", []byte("class\n1\n0\n"), []float64{1, 0}, true, tensor.Of(), nil, ""},
		{"csv targets", "y.csv", []byte("1\n0.5\n"), []float64{1, 0.5}, false, tensor.Of(1), nil, ""},
		{"csv targets of two outputs", "y.csv", []byte("1,2\n3,4\n"), []float64{1, 2, 3, 4}, false, tensor.Of(2), nil, ""},
		{"a negative class", "y.npy", npy(t, 1, "<i8", "2,", []int64{4, -1}), nil, false, tensor.Of(), dataset.ErrLabel, "row 1 (from 0): -1 is not in 0 to 2147483647"},
		{"a class beyond int32", "y.csv", []byte("1\n2147483648\n"), nil, false, tensor.Of(), dataset.ErrLabel, "2147483648"},
		{"classes of two columns", "y.npy", npy(t, 1, "<i8", "2, 2", []int64{1, 2, 3, 4}), nil, false, tensor.Of(), dataset.ErrShape, "[2 2]"},
		{"another number of rows", "y.npy", npy(t, 1, "<i8", "3,", []int64{1, 2, 3}), nil, false, tensor.Of(), dataset.ErrShape, "y.npy has 3"},
		{"a scalar", "y.npy", npy(t, 1, "<i8", "", []int64{1}), nil, false, tensor.Of(), dataset.ErrShape, "1 to 4"},
		{"NaN", "y.npy", npy(t, 1, "<f4", "2,", []float32{1, float32(math.NaN())}), nil, false, tensor.Of(), dataset.ErrNonFinite, "row 1, column 0"},
	}
	for _, test := range tests {
		folder := write(t, map[string][]byte{"x.csv": []byte("1\n2\n"), test.file: test.bytes})
		set, err := dataset.LoadFiles(dataset.Files{X: filepath.Join(folder, "x.csv"), Y: filepath.Join(folder, test.file)}, "train")
		if test.err != nil {
			if !errors.Is(err, test.err) || !strings.Contains(err.Error(), test.text) {
				t.Errorf("%s: error is %v", test.name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		y := &set.Columns[1]
		if got := gathered(set, y); y.Name != "y" || !slices.Equal(got, test.want) || (y.Ints != nil) != test.class || y.Shape != test.shape {
			t.Errorf("%s: %s %v of shape %v", test.name, y.Name, got, y.Shape)
		}
	}
}

func TestSeriesOfUnequalLength(t *testing.T) {
	nan := math.NaN()
	x := npy(t, 1, "<f8", "2, 3, 2", []float64{1, 2, 3, 4, nan, 9, 5, 6, 7, 8, 9, 10})
	load := func(length []byte) (*dataset.Set, error) {
		folder := write(t, map[string][]byte{"x.npy": x, "n.npy": length})
		return dataset.LoadFiles(dataset.Files{X: filepath.Join(folder, "x.npy"), Length: filepath.Join(folder, "n.npy")}, "train")
	}
	set, err := load(npy(t, 1, "<i4", "2,", []int32{2, 3}))
	if err != nil {
		t.Fatal(err)
	}
	if got := gathered(set, &set.Columns[0]); !slices.Equal(got, []float64{1, 2, 3, 4, 0, 0, 5, 6, 7, 8, 9, 10}) {
		t.Errorf("x is %v", got)
	}
	if got := gathered(set, &set.Columns[1]); set.Columns[1].Name != "length" || !slices.Equal(got, []float64{2, 3}) {
		t.Errorf("%s is %v", set.Columns[1].Name, got)
	}
	if set, err := load(npy(t, 1, "<i4", "2,", []int32{3, 3})); err != nil || !math.IsNaN(gathered(set, &set.Columns[0])[4]) {
		t.Errorf("a value that was not observed: %v", err)
	}
	for _, bad := range []int32{0, 4} {
		if _, err := load(npy(t, 1, "<i4", "2,", []int32{2, bad})); !errors.Is(err, dataset.ErrLabel) {
			t.Errorf("length %d: %v", bad, err)
		}
	}
}

func TestTimesOfSeries(t *testing.T) {
	load := func(times, length []byte) (*dataset.Set, error) {
		files := map[string][]byte{"x.npy": npy(t, 1, "<f8", "2, 3, 1", []float64{1, 2, 3, 4, 5, 6}), "t.npy": times}
		paths := dataset.Files{}
		if length != nil {
			files["n.npy"] = length
		}
		folder := write(t, files)
		if length != nil {
			paths.Length = filepath.Join(folder, "n.npy")
		}
		paths.X, paths.Times = filepath.Join(folder, "x.npy"), filepath.Join(folder, "t.npy")
		return dataset.LoadFiles(paths, "train")
	}
	set, err := load(npy(t, 1, "<f8", "2, 3", []float64{0, 0.5, 3, 1, 2, -1}), npy(t, 1, "<i4", "2,", []int32{3, 2}))
	if err != nil {
		t.Fatal(err)
	}
	c := &set.Columns[len(set.Columns)-1]
	if got := gathered(set, c); c.Name != "times" || c.Shape != tensor.Of(3) || c.DType() != tensor.Float64 || !slices.Equal(got, []float64{0, 0.5, 3, 1, 2, 0}) {
		t.Errorf("%s %v of shape %v", c.Name, got, c.Shape)
	}
	for text, times := range map[string][]byte{
		"row 1 (from 0): time 2 is 2, behind the one before is due": npy(t, 1, "<f8", "2, 3", []float64{0, 0.5, 3, 1, 2, 2}),
		"row 0 (from 0): time 1 is NaN":                             npy(t, 1, "<f8", "2, 3", []float64{0, math.NaN(), 3, 1, 2, 3}),
		"times of these series are [2, 3]":                          npy(t, 1, "<f8", "2, 2", []float64{0, 1, 0, 1}),
	} {
		if _, err := load(times, nil); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("got %v, want %q", err, text)
		}
	}
}

func TestIntervalOfEachRow(t *testing.T) {
	tests := []struct {
		name, t0, t1   string // files, empty where there is none
		bytes0, bytes1 []byte
		want0, want1   []float64
		err            error
		text           string
	}{
		{"both ends", "a.npy", "b.npy", npy(t, 1, "<f8", "2,", []float64{0.1, 1}), npy(t, 1, "<f8", "2, 1", []float64{1, -0.5}), []float64{0.1, 1}, []float64{1, -0.5}, nil, ""},
		{"the end alone", "", "b.npy", nil, npy(t, 1, "<f8", "2,", []float64{0.7, 0}), nil, []float64{0.7, 0}, nil, ""},
		{"the beginning alone", "a.npy", "", npy(t, 1, "<f8", "2,", []float64{0.7, 0}), nil, []float64{0.7, 0}, nil, nil, ""},
		{"single precision becomes double", "", "b.npy", nil, npy(t, 1, "<f4", "2,", []float32{0.1, 2}), nil, []float64{float64(float32(0.1)), 2}, nil, ""},
		{"whole numbers and truth values", "a.npy", "b.npy", npy(t, 1, "|b1", "2,", []byte{1, 0}), npy(t, 1, "<i8", "2,", []int64{-3, 7}), []float64{1, 0}, []float64{-3, 7}, nil, ""},
		{"text keeps double precision", "a.csv", "b.csv", []byte("t0\n0\n1\n"), []byte("0.1\n1e300\n"), []float64{0, 1}, []float64{0.1, 1e300}, nil, ""},
		{"packed", "", "b.npy.gz", nil, zipped(t, npy(t, 1, "<f8", "2,", []float64{3, 4})), nil, []float64{3, 4}, nil, ""},
		{"no file", "a.npy", "b.npy", nil, npy(t, 1, "<f8", "2,", []float64{3, 4}), nil, nil, dataset.ErrMissing, "a.npy"},
		{"another number of rows", "", "b.npy", nil, npy(t, 1, "<f8", "3,", []float64{1, 2, 3}), nil, nil, dataset.ErrShape, "b.npy has 3"},
		{"two numbers a row", "", "b.npy", nil, npy(t, 1, "<f8", "2, 2", []float64{1, 2, 3, 4}), nil, nil, dataset.ErrShape, "b.npy: dataset: wrong shape: [2 2]; times are one number a row"},
		{"no numbers in a row", "", "b.npy", nil, npy(t, 1, "<f8", "2, 0", []float64{}), nil, nil, dataset.ErrShape, "b.npy"},
		{"NaN", "a.npy", "b.npy", npy(t, 1, "<f8", "2,", []float64{0, math.NaN()}), npy(t, 1, "<f8", "2,", []float64{1, math.NaN()}), nil, nil, dataset.ErrNonFinite, "a.npy: dataset: value is not finite: row 1"},
		{"infinity", "", "b.npy", nil, npy(t, 1, "<f8", "2,", []float64{math.Inf(1), 1}), nil, nil, dataset.ErrNonFinite, "row 0, column 0 (from 0): +Inf"},
		{"no length", "a.npy", "b.npy", npy(t, 1, "<f8", "2,", []float64{0, 0.5}), npy(t, 1, "<f4", "2,", []float32{1, 0.5}), nil, nil, dataset.ErrInterval, "b.npy: dataset: interval of length 0: row 1 (from 0): both are 0.5"},
	}
	for _, test := range tests {
		files := map[string][]byte{"x.csv": []byte("1\n2\n"), "y.csv": []byte("0\n1\n")}
		for name, content := range map[string][]byte{test.t0: test.bytes0, test.t1: test.bytes1} {
			if content != nil {
				files[name] = content
			}
		}
		folder := write(t, files)
		paths := dataset.Files{X: filepath.Join(folder, "x.csv"), Y: filepath.Join(folder, "y.csv")}
		if test.t0 != "" {
			paths.T0 = filepath.Join(folder, test.t0)
		}
		if test.t1 != "" {
			paths.T1 = filepath.Join(folder, test.t1)
		}
		set, err := dataset.LoadFiles(paths, "train")
		if test.err != nil {
			if !errors.Is(err, test.err) || !strings.Contains(err.Error(), test.text) {
				t.Errorf("%s: error is %v", test.name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		got := map[string][]float64{}
		for i := range set.Columns {
			if c := &set.Columns[i]; c.Name != "x" && c.Name != "y" {
				got[c.Name] = gathered(set, c)
				if c.Shape != tensor.Of() || c.DType() != tensor.Float64 {
					t.Errorf("%s: %s has samples of shape %v %s", test.name, c.Name, c.Shape, c.DType())
				}
			}
		}
		_, has0 := got["t0"]
		_, has1 := got["t1"]
		if has0 != (test.t0 != "") || has1 != (test.t1 != "") || !slices.Equal(got["t0"], test.want0) || !slices.Equal(got["t1"], test.want1) {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}

// A file that NumPy itself wrote.
func TestRealNPY(t *testing.T) {
	path := "../../../shared/data/miniboone/val.npy"
	if _, err := os.Stat(path); err != nil {
		t.Skip("the original file is not in ../shared/data")
	}
	set, err := dataset.LoadFiles(dataset.Files{X: path}, "val")
	if err != nil {
		t.Fatal(err)
	}
	if x := &set.Columns[0]; set.Rows != 3284 || x.Shape != tensor.Of(43) || x.DType() != tensor.Float64 {
		t.Errorf("%d rows of %v %s", set.Rows, x.Shape, x.DType())
	}
}
