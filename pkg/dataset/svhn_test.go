package dataset_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"odepipe/pkg/dataset"
	"odepipe/pkg/tensor"
)

// svhnFile is a file of three pictures that testdata/svhn.py wrote with scipy.
func svhnFile(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestSVHNInEveryEncodingAndPlace(t *testing.T) {
	plain, packed := svhnFile(t, "svhn-plain.mat"), svhnFile(t, "svhn-packed.mat")
	for path, content := range map[string][]byte{
		"svhn/train_32x32.mat":       plain,
		"train_32x32.mat":            packed,
		"svhn/train_32x32.mat.gz":    zipped(t, packed),
		"svhn-extra/train_32x32.mat": bigEndian(t),
	} {
		set, err := dataset.Load("svhn", dataset.Request{Folder: write(t, map[string][]byte{path: content}), Split: "train"})
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		x, y := &set.Columns[0], &set.Columns[1]
		if set.Rows != 3 || x.Shape != tensor.Of(3, 32, 32) || x.DType() != tensor.Float32 || !slices.Equal(y.Ints, []int32{0, 1, 7}) {
			t.Errorf("%s: %d rows of %v %s, classes %d", path, set.Rows, x.Shape, x.DType(), y.Ints)
		}
		got := tensor.Float32.Make(3 * 3 * 32 * 32)
		x.GatherValues(got, []int64{0, 1, 2})
		for i, v := range got.F32 {
			n, c, h, w := i/3072, i/1024%3, i/32%32, i%32
			if want := (float32((7*h+3*w+50*c+11*n)%256)/255 - 0.1307) / 0.3081; v != want {
				t.Fatalf("%s: picture %d, plane %d, row %d, column %d is %g, want %g", path, n, c, h, w, v, want)
			}
		}
	}
}

// Test means test: a split is its own file, and no other stands in for it.
func TestSVHNSplitsAreToldApart(t *testing.T) {
	folder := write(t, map[string][]byte{"svhn/train_32x32.mat": svhnFile(t, "svhn-plain.mat"), "svhn/extra_32x32.mat": svhnFile(t, "svhn-packed.mat")})
	_, err := dataset.Load("svhn", dataset.Request{Folder: folder, Split: "test"})
	if !errors.Is(err, dataset.ErrMissing) || !strings.Contains(err.Error(), "neither test_32x32.mat nor test_32x32.mat.gz in ") {
		t.Errorf("test: %v", err)
	}
	if set, err := dataset.Load("svhn", dataset.Request{Folder: folder, Split: "extra"}); err != nil || set.Split != "extra" {
		t.Errorf("extra: %v, %v", set, err)
	}
	if _, err := dataset.Load("svhn", dataset.Request{Folder: folder, Split: "val"}); !errors.Is(err, dataset.ErrSplit) {
		t.Errorf("val: %v", err)
	}
}

// variable is an uncompressed array as in a MAT-file.
type variable struct {
	name        string
	flags, kind uint32
	dims        []int32
	data        []byte
}

// mat is a MAT-file of variables.
func mat(t *testing.T, order binary.AppendByteOrder, variables ...variable) []byte {
	t.Helper()
	element := func(kind uint32, data []byte) []byte {
		out := order.AppendUint32(order.AppendUint32(nil, kind), uint32(len(data)))
		return append(append(out, data...), make([]byte, -len(data)&7)...)
	}
	out := append(bytes.Repeat([]byte{' '}, 124), 0, 0, 0, 0)
	order.AppendUint16(out[:124], 0x0100)
	order.AppendUint16(out[:126], 'M'<<8|'I')
	for _, v := range variables {
		var dims []byte
		for _, d := range v.dims {
			dims = order.AppendUint32(dims, uint32(d))
		}
		body := element(6, order.AppendUint32(order.AppendUint32(nil, v.flags), 0))
		body = append(append(body, element(5, dims)...), element(1, []byte(v.name))...)
		out = append(out, element(14, append(body, element(v.kind, v.data)...))...)
	}
	return out
}

// threePictures are the variables of svhn.py's files.
func threePictures(t *testing.T, order binary.AppendByteOrder) []variable {
	t.Helper()
	pixels := make([]byte, 3*3072)
	for i := range pixels {
		n, c, w, h := i/3072, i/1024%3, i/32%32, i%32
		pixels[i] = byte(7*h + 3*w + 50*c + 11*n)
	}
	var labels []byte
	for _, v := range []uint16{10, 1, 7} {
		labels = order.AppendUint16(labels, v)
	}
	return []variable{
		{name: "X", flags: 9, kind: 2, dims: []int32{32, 32, 3, 3}, data: pixels},
		{name: "y", flags: 11, kind: 4, dims: []int32{3, 1}, data: labels},
	}
}

func bigEndian(t *testing.T) []byte {
	return mat(t, binary.BigEndian, threePictures(t, binary.BigEndian)...)
}

func TestSVHNDamaged(t *testing.T) {
	plain, packed := svhnFile(t, "svhn-plain.mat"), svhnFile(t, "svhn-packed.mat")
	good := threePictures(t, binary.LittleEndian)
	changed := func(i int, change func(v *variable)) []byte {
		variables := slices.Clone(good)
		change(&variables[i])
		return mat(t, binary.LittleEndian, variables...)
	}
	flipped := slices.Clone(packed)
	flipped[len(flipped)-1] ^= 1 // of the checksum of y
	version := slices.Clone(plain)
	version[125] = 2
	for _, test := range []struct {
		name  string
		bytes []byte
		want  error
		says  string
	}{
		{"empty", nil, dataset.ErrSize, "it ends inside a variable"},
		{"a header alone", plain[:128], dataset.ErrMissing, "no variable X"},
		{"cut in the header", plain[:100], dataset.ErrSize, "it ends inside"},
		{"cut in a tag", plain[:132], dataset.ErrSize, "it ends inside"},
		{"cut in the pixels", plain[:5000], dataset.ErrSize, "it ends inside"},
		{"cut in packed pixels", packed[:200], dataset.ErrSize, "it ends inside"},
		{"cut behind the pixels", packed[:len(packed)-20], dataset.ErrSize, "it ends inside"},
		{"a wrong checksum", flipped, dataset.ErrFormat, "invalid checksum"},
		{"not zlib", append(slices.Clone(packed[:136]), make([]byte, 2000)...), dataset.ErrFormat, "invalid header"},
		{"text", []byte(strings.Repeat("hello ", 40)), dataset.ErrFormat, `it starts with "hello hello hello he", not with`},
		{"version 7.3", version, dataset.ErrFormat, "MAT-file version 0x0200; save it with -v7"},
		{"no labels", mat(t, binary.LittleEndian, good[0]), dataset.ErrMissing, "no variable y"},
		{"a label of 0", changed(1, func(v *variable) { v.data = []byte{10, 0, 0, 0, 7, 0} }), dataset.ErrLabel, "row 1: 0 is not in 1 to 10"},
		{"a label of 11", changed(1, func(v *variable) { v.data = []byte{10, 0, 1, 0, 11, 0} }), dataset.ErrLabel, "row 2: 11"},
		{"a label between digits", changed(1, func(v *variable) {
			v.flags, v.kind, v.data = 7, 7, []byte{0, 0, 128, 63, 0, 0, 128, 63, 0, 0, 192, 63}
		}), dataset.ErrLabel, "row 2: 1.5"},
		{"labels for other pictures", changed(1, func(v *variable) { v.dims, v.data = []int32{2, 1}, v.data[:4] }), dataset.ErrShape, "N as many as the 2 of y"},
		{"no pictures", mat(t, binary.LittleEndian,
			variable{name: "X", flags: 9, kind: 2, dims: []int32{32, 32, 3, 0}}, variable{name: "y", flags: 9, kind: 2, dims: []int32{0, 1}}), dataset.ErrShape, "X is [0 3 32 32]"},
		{"pictures of another shape", changed(0, func(v *variable) { v.dims = []int32{3, 32, 32, 3} }), dataset.ErrShape, "X is [3 32 32 3]"},
		{"more numbers than the shape", changed(0, func(v *variable) { v.dims = []int32{32, 32, 3, 2} }), dataset.ErrShape, "variable X: dataset: wrong shape: 9216 bytes of type 2 for 6144 numbers"},
		{"a negative dimension", changed(0, func(v *variable) { v.dims = []int32{-32, 32, -3, 3} }), dataset.ErrShape, "dimension 1 is -32"},
		{"dimensions whose product overflows", changed(0, func(v *variable) { v.dims = []int32{1 << 30, 1 << 30, 1 << 30, 16} }), dataset.ErrShape, "dimension 2"},
		{"complex numbers", changed(0, func(v *variable) { v.flags |= 0x800 }), dataset.ErrFormat, "variable X is no array of real numbers"},
		{"a cell array", changed(0, func(v *variable) { v.flags = 1 }), dataset.ErrFormat, "variable X is no array"},
		{"a name too long", changed(0, func(v *variable) { v.name = strings.Repeat("X", 2000) }), dataset.ErrFormat, "2000 bytes describe a variable"},
	} {
		_, err := dataset.Load("svhn", dataset.Request{Folder: write(t, map[string][]byte{"svhn/test_32x32.mat": test.bytes}), Split: "test"})
		if !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), "test_32x32.mat: ") {
			t.Errorf("%s: error is %v", test.name, err)
		}
	}
}
