package dataset_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"odepipe/pkg/dataset"
	"odepipe/pkg/tensor"
)

const (
	pictures = 10_000      // in a file
	picture  = 1 + 3*32*32 // bytes: the label, then the pixels
	testFile = "test_batch.bin"
)

// cifar is a file of black pictures of class 0, but for some bytes by their position.
func cifar(changed map[int]byte) []byte {
	out := make([]byte, pictures*picture)
	for at, b := range changed {
		out[at] = b
	}
	return out
}

func TestCIFAR10FromEveryPlace(t *testing.T) {
	const last = (pictures - 1) * picture
	packed := zipped(t, cifar(map[int]byte{last: 9, last + 1: 255, last + 1 + 1024: 51, last + 1 + 2*1024 + 33: 102}))
	for _, path := range []string{"cifar10/" + testFile, testFile, "cifar-10-batches-bin/" + testFile} {
		folder := write(t, map[string][]byte{path + ".gz": packed})
		set, err := dataset.Load("cifar10", dataset.Request{Folder: folder, Split: "test"})
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		x, y := &set.Columns[0], &set.Columns[1]
		if set.Rows != pictures || x.Shape != tensor.Of(3, 32, 32) || x.DType() != tensor.Float32 {
			t.Errorf("%s: %d rows of %v %s", path, set.Rows, x.Shape, x.DType())
		}
		got, classes := tensor.Float32.Make(3*32*32), make([]int32, 2)
		x.GatherValues(got, []int64{pictures - 1})
		y.GatherInts(classes, []int64{pictures - 1, 0})
		mean, std := float32(0.1307), float32(0.3081)
		want := map[int]float32{0: 1, 1: 0, 1024: 51. / 255, 2*1024 + 33: 102. / 255} // red, red, green, blue of the second row
		for at, level := range want {
			if got.F32[at] != (level-mean)/std {
				t.Errorf("%s: element %d is %g, want %g", path, at, got.F32[at], (level-mean)/std)
			}
		}
		if !slices.Equal(classes, []int32{9, 0}) {
			t.Errorf("%s: classes %d", path, classes)
		}
	}
}

// The rows of train are those of its five files, in the order of their numbers.
func TestCIFAR10TrainIsFiveFiles(t *testing.T) {
	files := map[string][]byte{}
	for k := range 5 {
		files[fmt.Sprintf("cifar10/data_batch_%d.bin.gz", k+1)] = zipped(t, cifar(map[int]byte{0: byte(k + 1), 1: byte(10 * k)}))
	}
	folder := write(t, files)
	set, err := dataset.Load("cifar10", dataset.Request{Folder: folder, Split: "train"})
	if err != nil {
		t.Fatal(err)
	}
	index := []int64{0, 10_000, 20_000, 30_000, 40_000}
	x, y := tensor.Float32.Make(len(index)*3*32*32), make([]int32, len(index))
	set.Columns[0].GatherValues(x, index)
	set.Columns[1].GatherInts(y, index)
	if set.Rows != 50_000 || !slices.Equal(y, []int32{1, 2, 3, 4, 5}) {
		t.Errorf("%d rows, the first of each file has class %d", set.Rows, y)
	}
	for k := range index {
		if got, want := x.F32[k*3*32*32], (float32(10*k)/255-0.1307)/0.3081; got != want {
			t.Errorf("file %d: first pixel is %g, want %g", k+1, got, want)
		}
	}
	if err := os.Remove(filepath.Join(folder, "cifar10", "data_batch_4.bin.gz")); err != nil {
		t.Fatal(err)
	}
	_, err = dataset.Load("cifar10", dataset.Request{Folder: folder, Split: "train"})
	if !errors.Is(err, dataset.ErrMissing) || !strings.Contains(err.Error(), "neither data_batch_4.bin nor data_batch_4.bin.gz in ") {
		t.Errorf("a file less: %v", err)
	}
}

// archive is a .tar.gz of files in the given order, in the published archive's folder.
func archive(t *testing.T, names []string, files map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range names {
		header := tar.Header{Name: "cifar-10-batches-bin/" + name, Mode: 0o644, Size: int64(len(files[name])), Typeflag: tar.TypeReg}
		if err := w.WriteHeader(&header); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(files[name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return zipped(t, b.Bytes())
}

func TestCIFAR10FromItsArchive(t *testing.T) {
	files := map[string][]byte{"readme.html": []byte("hello"), testFile: cifar(map[int]byte{0: 8})}
	var names []string
	for k := range 5 {
		name := fmt.Sprintf("data_batch_%d.bin", k+1)
		names = append(names, name)
		files[name] = cifar(map[int]byte{0: byte(k + 1), 1: byte(10 * k)})
	}
	shuffled := []string{"readme.html", names[3], names[0], testFile, names[4], names[2], names[1]}
	folder := write(t, map[string][]byte{"cifar10/cifar-10-binary.tar.gz": archive(t, shuffled, files)})
	train, err := dataset.Load("cifar10", dataset.Request{Folder: folder, Split: "train"})
	if err != nil {
		t.Fatal(err)
	}
	for k := range 5 {
		class, x := make([]int32, 1), tensor.Float32.Make(3*32*32)
		train.Columns[1].GatherInts(class, []int64{int64(k) * pictures})
		train.Columns[0].GatherValues(x, []int64{int64(k) * pictures})
		if want := (float32(10*k)/255 - 0.1307) / 0.3081; class[0] != int32(k+1) || x.F32[0] != want {
			t.Errorf("file %d begins with class %d and %g, want %g", k+1, class[0], x.F32[0], want)
		}
	}
	if test, err := dataset.Load("cifar10", dataset.Request{Folder: folder, Split: "test"}); err != nil || test.Rows != pictures || test.Columns[1].Ints[0] != 8 {
		t.Errorf("test: %v", err)
	}

	whole := archive(t, []string{testFile}, files)
	damaged := slices.Clone(whole)
	damaged[len(damaged)-5] ^= 1 // gzip's checksum and size are the last eight bytes
	for _, test := range []struct {
		name  string
		bytes []byte
		want  error
		says  string
	}{
		{"without the file", archive(t, []string{"readme.html"}, files), dataset.ErrMissing, "no test_batch.bin in it"},
		{"with half a file", archive(t, []string{testFile}, map[string][]byte{testFile: files[testFile][:100]}), dataset.ErrSize, "cifar-10-batches-bin/test_batch.bin: dataset: wrong number of bytes: 30730000 expected, 100 found"},
		{"cut", whole[:len(whole)/2], dataset.ErrSize, "30730000 expected, "},
		{"damaged", damaged, nil, "gzip: invalid checksum"},
		{"no archive", zipped(t, bytes.Repeat([]byte("hello"), 400)), dataset.ErrFormat, "tar"},
	} {
		folder := write(t, map[string][]byte{"cifar-10-binary.tar.gz": test.bytes})
		_, err := dataset.Load("cifar10", dataset.Request{Folder: folder, Split: "test"})
		if err == nil || test.want != nil && !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), "binary.tar.gz: ") {
			t.Errorf("%s: error is %v", test.name, err)
		}
	}
}

func TestCIFAR10Damaged(t *testing.T) {
	good := cifar(nil)
	for _, test := range []struct {
		name  string
		bytes []byte
		want  error
		text  string
	}{
		{"an empty file", nil, dataset.ErrSize, "30730000 expected, 0 found"},
		{"cut between two pictures", good[:100*picture], dataset.ErrSize, "30730000 expected, 307300 found"},
		{"cut inside the last picture", good[:len(good)-1], dataset.ErrSize, "30730000 expected, 30729999 found"},
		{"a byte too many", append(slices.Clone(good), 0), dataset.ErrSize, "30730000 expected, more found"},
		{"CIFAR-100, of two labels a row", make([]byte, pictures*(picture+1)), dataset.ErrSize, "more found"},
		{"a label out of range", cifar(map[int]byte{7777 * picture: 10}), dataset.ErrLabel, "row 7777: 10 is not in 0 to 9"},
	} {
		folder := write(t, map[string][]byte{"cifar10/" + testFile + ".gz": zipped(t, test.bytes)})
		_, err := dataset.Load("cifar10", dataset.Request{Folder: folder, Split: "test"})
		if !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.text) || !strings.Contains(err.Error(), testFile+".gz: ") {
			t.Errorf("%s: error is %v", test.name, err)
		}
	}
	if _, err := dataset.Load("cifar10", dataset.Request{Split: "val"}); !errors.Is(err, dataset.ErrSplit) {
		t.Errorf("split val: %v", err)
	}
}

func TestRealCIFAR10(t *testing.T) {
	packed := "../../../shared/data/cifar10/test_batch.bin.xz"
	if _, err := os.Stat(packed); err != nil {
		t.Skip("the original files are not in ../shared/data")
	}
	content, err := exec.Command("xz", "-dc", packed).Output()
	if err != nil {
		t.Skipf("needs xz: %v", err)
	}
	set, err := dataset.Load("cifar10", dataset.Request{Folder: write(t, map[string][]byte{testFile: content}), Split: "test"})
	if err != nil {
		t.Fatal(err)
	}
	counts := map[float64]int{}
	classes := gathered(set, &set.Columns[1])
	for _, class := range classes {
		counts[class]++
	}
	for class := range 10 {
		if counts[float64(class)] != 1000 {
			t.Errorf("%d pictures of class %d", counts[float64(class)], class)
		}
	}
	if first := classes[:8]; !slices.Equal(first, []float64{3, 8, 8, 0, 6, 6, 1, 6}) {
		t.Errorf("first classes %v", first)
	}
	// The split's mean colour on the scale 0 to 1, as others have published it.
	for plane, want := range []float64{0.4942, 0.4851, 0.4504} {
		sum := 0.0
		row := tensor.Float32.Make(3 * 32 * 32)
		for i := range int64(set.Rows) {
			set.Columns[0].GatherValues(row, []int64{i})
			for _, v := range row.F32[plane*1024 : (plane+1)*1024] {
				sum += float64(v)*0.3081 + 0.1307
			}
		}
		if mean := sum / (10_000 * 1024); !(math.Abs(mean-want) < 1e-4) {
			t.Errorf("plane %d has mean %.4f, want %.4f", plane, mean, want)
		}
	}
}
