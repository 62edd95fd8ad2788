package dataset_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"odepipe/pkg/dataset"
	"odepipe/pkg/tensor"
)

// idx is an IDX file of unsigned bytes.
func idx(body []byte, dims ...uint32) []byte {
	out := []byte{0, 0, 8, byte(len(dims))}
	for _, d := range dims {
		out = binary.BigEndian.AppendUint32(out, d)
	}
	return append(out, body...)
}

// write makes files in a new folder, named by their paths in it.
func write(t *testing.T, files map[string][]byte) string {
	t.Helper()
	folder := t.TempDir()
	for name, content := range files {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func zipped(t *testing.T, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(content)
	w.Close()
	return b.Bytes()
}

const (
	images = "train-images-idx3-ubyte"
	labels = "train-labels-idx1-ubyte"
)

func TestMNISTFromEveryPlace(t *testing.T) {
	pixels := make([]byte, 2*28*28)
	pixels[28*28+1] = 255
	imageFile, labelFile := idx(pixels, 2, 28, 28), idx([]byte{3, 9}, 2)
	places := map[string]map[string][]byte{
		"plain in mnist":         {"mnist/" + images: imageFile, "mnist/" + labels: labelFile},
		"packed in mnist":        {"mnist/" + images + ".gz": zipped(t, imageFile), "mnist/" + labels + ".gz": zipped(t, labelFile)},
		"plain in the folder":    {images: imageFile, labels: labelFile},
		"where torchvision puts": {"MNIST/raw/" + images: imageFile, "MNIST/raw/" + labels + ".gz": zipped(t, labelFile)},
	}
	for name, files := range places {
		set, err := dataset.Load("mnist", dataset.Request{Folder: write(t, files), Split: "train"})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		x, y := &set.Columns[0], &set.Columns[1]
		got := tensor.Float32.Make(28 * 28)
		x.GatherValues(got, []int64{1})
		class := make([]int32, 2)
		y.GatherInts(class, []int64{1, 0})
		mean, std := float32(0.1307), float32(0.3081)
		if got.F32[0] != (0-mean)/std || got.F32[1] != (1-mean)/std || class[0] != 9 || class[1] != 3 {
			t.Errorf("%s: pixels %g %g, classes %d", name, got.F32[0], got.F32[1], class)
		}
		if x.Shape != tensor.Of(1, 28, 28) || x.DType() != tensor.Float32 || set.Rows != 2 {
			t.Errorf("%s: %d rows of %v %s", name, set.Rows, x.Shape, x.DType())
		}
	}
}

func TestMNISTDamaged(t *testing.T) {
	pixels := make([]byte, 2*28*28)
	good, goodLabels := idx(pixels, 2, 28, 28), idx([]byte{3, 9}, 2)
	tests := []struct {
		name           string
		images, labels []byte
		want           error
		text           string
	}{
		{"no images", nil, goodLabels, dataset.ErrMissing, "scripts/get-data.sh"},
		{"no labels", good, nil, dataset.ErrMissing, "train-labels-idx1-ubyte.gz in "},
		{"an empty file", []byte{}, goodLabels, dataset.ErrSize, "the header has 16, 0 found"},
		{"cut inside the pixels", good[:1000], goodLabels, dataset.ErrSize, "1584 expected, 1000 found"},
		{"a byte too many", append(good[:len(good):len(good)], 0), goodLabels, dataset.ErrSize, "1584 expected, more found"},
		{"labels in place of images", goodLabels, goodLabels, dataset.ErrSize, "the header has 16, 10 found"},
		{"images in place of labels", good, good, dataset.ErrFormat, "magic is 00 00 08 03, expected 00 00 08 01"},
		{"a header that promises a terabyte", idx(pixels, 1<<20, 1<<10, 1<<10), goodLabels, dataset.ErrSize, "1099511627792 expected, 1584 found"},
		{"a header that overflows", idx(pixels, 1<<31, 1<<31, 1<<31), goodLabels, dataset.ErrShape, "dimension 1"},
		{"a set of nothing", idx(nil, 0, 28, 28), goodLabels, dataset.ErrShape, "dimension 0 is 0"},
		{"other images", idx(pixels, 8, 14, 14), goodLabels, dataset.ErrShape, "14 x 14"},
		{"a label out of range", good, idx([]byte{3, 10}, 2), dataset.ErrLabel, "row 1: 10 is not in 0 to 9"},
		{"a label missing", good, idx([]byte{3}, 1), dataset.ErrShape, "has 2 images, "},
	}
	for _, test := range tests {
		files := map[string][]byte{}
		if test.images != nil {
			files["mnist/"+images] = test.images
		}
		if test.labels != nil {
			files["mnist/"+labels] = test.labels
		}
		_, err := dataset.Load("mnist", dataset.Request{Folder: write(t, files), Split: "train"})
		if !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.text) {
			t.Errorf("%s: error is %v", test.name, err)
		}
	}
	packed := zipped(t, good)
	files := map[string][]byte{images + ".gz": packed[:len(packed)-9], labels: goodLabels}
	if _, err := dataset.Load("mnist", dataset.Request{Folder: write(t, files), Split: "train"}); err == nil {
		t.Error("a cut gzip file is accepted")
	}
	files[images+".gz"] = good
	if _, err := dataset.Load("mnist", dataset.Request{Folder: write(t, files), Split: "train"}); !errors.Is(err, dataset.ErrFormat) {
		t.Errorf("plain bytes under the name of a gzip file: %v", err)
	}
}

func TestRealMNIST(t *testing.T) {
	folder := "../../../shared/data"
	if _, err := os.Stat(folder); err != nil {
		t.Skip("the original files are not in ../shared/data")
	}
	set, err := dataset.Load("mnist", dataset.Request{Folder: folder, Split: "test"})
	if err != nil {
		t.Fatal(err)
	}
	x, y := &set.Columns[0], &set.Columns[1]
	first := make([]int32, 8)
	y.GatherInts(first, []int64{0, 1, 2, 3, 4, 5, 6, 7})
	if set.Rows != 10_000 || [8]int32(first) != [8]int32{7, 2, 1, 0, 4, 1, 4, 9} {
		t.Errorf("%d rows, first classes %d", set.Rows, first)
	}
	row, sum := tensor.Float32.Make(28*28), 0.0
	for i := range int64(set.Rows) {
		x.GatherValues(row, []int64{i})
		for _, v := range row.F32 {
			sum += float64(v)
		}
	}
	// The constants are the training split's; the test split's mean is 0.1325 on the scale 0 to 1.
	if mean := sum / (10_000 * 28 * 28); !(mean > 0.005 && mean < 0.007) {
		t.Errorf("mean of the normalised pixels is %g", mean)
	}
}
