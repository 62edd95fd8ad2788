package dataset_test

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"odepipe/pkg/dataset"
	"odepipe/pkg/tensor"
)

// loadCIFAR loads the test split from a folder and says how many bytes that allocated.
func loadCIFAR(t *testing.T, folder string) (*dataset.Set, uint64) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	set, err := dataset.Load("cifar10", dataset.Request{Folder: folder, Split: "test"})
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatal(err)
	}
	return set, after.TotalAlloc - before.TotalAlloc
}

func TestPixelsOfPlainFilesStayThere(t *testing.T) {
	file := cifar(nil)
	for at := range file {
		if at%picture != 0 {
			file[at] = byte(at * 31 / 7)
		}
	}
	folder := write(t, map[string][]byte{testFile: file})
	plain, allocated := loadCIFAR(t, folder)
	if allocated > 2<<20 {
		t.Errorf("loading %d bytes allocates %d", len(file), allocated)
	}
	packed, allocated := loadCIFAR(t, write(t, map[string][]byte{testFile + ".gz": zipped(t, file)}))
	if allocated > uint64(len(file))+2<<20 {
		t.Errorf("unpacking %d bytes allocates %d", len(file), allocated)
	}
	index := []int64{0, pictures - 1, 1, 5000}
	var got [2]tensor.Buffer
	for i, set := range []*dataset.Set{plain, packed} {
		got[i] = tensor.Float32.Make(len(index) * 3 * 32 * 32)
		if err := set.Columns[0].GatherValues(got[i], index); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(got[0].F32, got[1].F32) {
		t.Error("pixels of a plain file are not those of a packed one")
	}
	if err := os.Truncate(filepath.Join(folder, testFile), int64(len(file))/2); err != nil {
		t.Fatal(err)
	}
	if err := plain.Columns[0].GatherValues(got[0], index); err == nil {
		t.Error("no error from a file that has been cut since")
	}
}

func TestUnpackedFilesAreReadOnce(t *testing.T) {
	pixels := bytes.Repeat([]byte{1, 2, 3, 4}, 28*28*5000)
	folder := write(t, map[string][]byte{images + ".gz": zipped(t, idx(pixels, 20000, 28, 28)), labels: idx(make([]byte, 20000), 20000)})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := dataset.Load("mnist", dataset.Request{Folder: folder, Split: "train"})
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatal(err)
	}
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > uint64(len(pixels))+2<<20 {
		t.Errorf("unpacking %d bytes allocates %d", len(pixels), allocated)
	}
}
