package dataset

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"odepipe/pkg/tensor"
)

// reader makes what read hands to a decoder.
func reader(data []byte) *input { return &input{Reader: bufio.NewReader(bytes.NewReader(data))} }

func FuzzIDX(f *testing.F) {
	f.Add([]byte("\x00\x00\x08\x01\x00\x00\x00\x03\x01\x02\x03"), 1)
	f.Add([]byte("\x00\x00\x08\x03\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x02abcd"), 3)
	f.Add([]byte("\x00\x00\x08\x03\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), 3)
	f.Fuzz(func(t *testing.T, data []byte, rank int) {
		rank = 1 + (rank&0xff)%4
		dims, elements, err := decodeIDX(reader(data), rank)
		if err != nil {
			return
		}
		again := []byte{0, 0, 8, byte(rank)}
		for _, d := range dims {
			again = binary.BigEndian.AppendUint32(again, uint32(d))
		}
		if again = append(again, elements...); !bytes.Equal(again, data) {
			t.Errorf("% x was read as % x", data, again)
		}
	})
}

func FuzzCIFAR(f *testing.F) {
	row := func(label byte) []byte { return append([]byte{label}, make([]byte, cifarPixels)...) }
	f.Add(append(row(9), row(0)...), 2)
	f.Add(row(10), 1)
	f.Add(row(3)[:cifarPixels], 1)
	f.Add([]byte{}, 3)
	f.Fuzz(func(t *testing.T, data []byte, rows int) {
		rows = 1 + (rows&0xff)%4
		pixels, labels := make([]byte, rows*cifarPixels), make([]int32, rows)
		if decodeCIFAR(reader(data), pixels, labels) != nil {
			return
		}
		var again []byte
		for i, label := range labels {
			again = append(append(again, byte(label)), pixels[i*cifarPixels:(i+1)*cifarPixels]...)
		}
		if !bytes.Equal(again, data) {
			t.Errorf("%d rows are not those of %d bytes", rows, len(data))
		}
	})
}

func FuzzNPY(f *testing.F) {
	for _, header := range []string{
		"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }",
		"{'descr': '>f8', 'fortran_order': False, 'shape': (3,), }",
		"{'descr': '|u1', 'fortran_order': True, 'shape': (24,), }",
		"{'descr': '<u8', 'fortran_order': False, 'shape': (3, 1), }",
		"{'descr': '<i2', 'fortran_order': False, 'shape': (999999999999, 1), }",
		"{'descr': '<i2', 'fortran_order': False, 'shape': (0, 999999999999), }",
	} {
		for _, version := range []byte{1, 2, 3} {
			f.Add(npyFile(version, header, make([]byte, 24)))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := decodeNPY(reader(data))
		if err == nil {
			checkArray(t, a, len(data))
		}
	})
}

func FuzzCSV(f *testing.F) {
	f.Add([]byte("a,b\n1,2\n3,4.5\n"))
	f.Add([]byte("\xef\xbb\xbf1\n2\n-3\n"))
	f.Add([]byte("1\n2.5\n"))
	f.Add([]byte("\"1\n\",2\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, d := range []tensor.DType{tensor.Float32, tensor.Float64} {
			a, err := decodeCSV(reader(data), d)
			if err != nil {
				continue
			}
			checkArray(t, a, len(data))
			for i := range a.values.Len() {
				if v := a.values.At(i); math.IsNaN(v) || math.IsInf(v, 0) {
					t.Errorf("%q gives %v", data, v)
				}
			}
		}
	})
}

func FuzzMAT(f *testing.F) {
	for _, name := range []string{"svhn-plain.mat", "svhn-packed.mat"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		f.Add(data[:len(data)-9])
	}
	f.Add(append(make([]byte, 124), "\x01\x00MI\x00\x00\x00\x0e\x00\x00\x00\x08\x00\x00\x00\x06"...))
	f.Fuzz(func(t *testing.T, data []byte) {
		arrays, err := decodeMAT(reader(data), "X", "y")
		if err != nil {
			return
		}
		for _, a := range arrays {
			checkArray(t, a, 1032*len(data)) // deflate packs no tighter
		}
		if y, err := svhnDigits(arrays["y"]); err == nil {
			svhnPixels(arrays["X"], len(y))
		}
	})
}

func FuzzTS(f *testing.F) {
	f.Add([]byte("#\xff\n@classLabel true a b\n@data\n1,?:2,3:a\n4:5:b\n"))
	f.Add([]byte("@dimensions 1\r\n@equalLength true\r\n@seriesLength 2\r\n@classlabel TRUE 1\r\n@data\r\n1,NaN:1"))
	f.Add([]byte("@timestamps true\n@data\n(0,1):a\n"))
	f.Add([]byte("@univariate true\n@dimension -1\n@\n@data"))
	f.Fuzz(func(t *testing.T, data []byte) { checkSeries(t, data, decodeTS) })
}

func FuzzARFF(f *testing.F) {
	head := "%\xff\n@relation r\n@attribute 'x y' relational\n@attribute a numeric\n@attribute b numeric\n@end x\n@attribute c {p,'q r'}\n@data\n"
	f.Add([]byte(head + `'1,2\n?,4',p`))
	f.Add([]byte(head + `"1,?\nNaN,?\n",'q r'`))
	f.Add([]byte(head + `'1,2',`))
	f.Add([]byte("@attribute\n@attribute ' {\n@data\n'"))
	f.Fuzz(func(t *testing.T, data []byte) { checkSeries(t, data, decodeARFF) })
}

func FuzzMiniBooNE(f *testing.F) {
	event := strings.Repeat(" 0.5", boosterColumns) + "\n"
	f.Add([]byte(" 2 1\n" + event + event + event))
	f.Add([]byte("1 1\n-999 " + event[4:] + event))
	f.Add([]byte("1073741823 1073741823\n" + event))
	f.Add([]byte("0 0\n"))
	f.Fuzz(func(t *testing.T, data []byte) { checkRaw(t, data, readMiniBooNE) })
}

func FuzzGas(f *testing.F) {
	reading := "0.01 0 0" + strings.Repeat(" -50.85 3", gasSensors/2) + "\r\n"
	f.Add([]byte("Time (seconds), sensors\r\n" + strings.Repeat(reading, 9)))
	f.Add([]byte(strings.Repeat("0 0 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n", 8)))
	f.Add([]byte("\n\n \nx\n"))
	f.Fuzz(func(t *testing.T, data []byte) { checkRaw(t, data, readGas) })
}

// checkRaw holds what a reader of an original table returns to what the rest of the package relies on.
func checkRaw(t *testing.T, data []byte, prepare func(path string) ([][]float64, error)) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "raw.txt")
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
	columns, err := prepare(path)
	if err != nil {
		return
	}
	for _, column := range columns {
		if len(column) != len(columns[0]) || len(column) == 0 || len(column) > len(data) {
			t.Fatalf("%q: columns of %d and %d rows", data, len(columns[0]), len(column))
		}
	}
}

// checkSeries holds what a decoder of series returns to what the rest of the package relies on.
func checkSeries(t *testing.T, data []byte, decode func(*input) (*seriesFile, error)) {
	t.Helper()
	file, err := decode(reader(data))
	if err != nil || len(file.cases) == 0 {
		return
	}
	numbers := 0
	for _, c := range file.cases {
		if len(c.values) != file.channels || c.length() == 0 || c.class < 0 || int(c.class) >= len(file.classes) {
			t.Fatalf("%q: a case of %d channels, length %d, class %d", data, len(c.values), c.length(), c.class)
		}
		for _, values := range c.values {
			numbers += len(values)
			if len(values) != c.length() {
				t.Fatalf("%q: channels of %d and %d points", data, c.length(), len(values))
			}
		}
	}
	if numbers > len(data) {
		t.Fatalf("%d numbers from %d bytes", numbers, len(data))
	}
	set := seriesSet(file.cases, []int{0}, make([]scale, file.channels))
	if set.Columns[0].Values.Len() != set.Columns[0].Shape.Size() {
		t.Fatalf("%q: %d numbers for %v", data, set.Columns[0].Values.Len(), set.Columns[0].Shape)
	}
}

// checkArray holds an array to its shape and to the size of its file, and runs what LoadFiles does with it.
func checkArray(t *testing.T, a *array, size int) {
	t.Helper()
	n := 1
	for _, d := range a.shape {
		n *= d
	}
	if n != a.size() || n > size {
		t.Fatalf("shape %v of %d elements from %d bytes", a.shape, a.size(), size)
	}
	if len(a.shape) == 0 || a.checkRows("y", "x", a.shape[0]) != nil || n == 0 {
		return
	}
	if a.values.Len() == 0 {
		a.numbers("y", 0, 9, "classes")
	}
	if len(a.float64s()) != n {
		t.Errorf("%d numbers for shape %v", len(a.float64s()), a.shape)
	}
	if column := a.floats("x"); a.checkFinite("x") == nil {
		column.GatherValues(column.DType().Make(column.Shape.Size()), []int64{int64(a.shape[0] - 1)})
	}
}

// npyFile is a .npy file with a header of a version.
func npyFile(version byte, header string, body []byte) []byte {
	out := append([]byte(npyMagic), version, 0)
	out = binary.LittleEndian.AppendUint16(out, uint16(len(header)))
	if version > 1 {
		out = append(out, 0, 0)
	}
	return append(append(out, header...), body...)
}
