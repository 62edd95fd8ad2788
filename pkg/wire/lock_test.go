package wire

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"odepipe/pkg/tensor"
)

// small is a checkpoint at a step.
func small(step int64) *Checkpoint {
	return &Checkpoint{Header: Header{Kind: Params}, DType: tensor.Float64, Set: Set{Step: step, Tensors: []Tensor{
		{Name: "w", Role: Param, Shape: []int{2}, Value: tensor.Buffer{F64: []float64{1, 2}}}}}}
}

func TestALockIsHeldThroughSavesAndGivenBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ck.arrow")
	link := path + ".link"
	stale := filepath.Join(filepath.Dir(path), temporaryName("ck.arrow"))
	for _, err := range []error{small(0).Save(path), os.Symlink("ck.arrow", link), os.WriteFile(stale, nil, 0o666)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	l, err := LockCheckpoint(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(stale); err == nil {
		t.Error("what a killed save left is still there")
	}
	for step := range int64(3) {
		for _, p := range []string{path, link} {
			if _, err := LockCheckpoint(p); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), path) {
				t.Errorf("second lock of %s: %v", p, err)
			}
		}
		if err := l.Save(small(step)); err != nil {
			t.Fatal(err)
		}
	}
	bad := small(4)
	bad.Tensors[0].Shape = []int{3}
	if err := l.Save(bad); err == nil {
		t.Error("a bad checkpoint was saved")
	}
	if _, err := LockCheckpoint(path); !errors.Is(err, ErrInUse) {
		t.Errorf("after a save that failed: %v", err)
	}
	if c, err := ReadCheckpoint(path, Limits{}); err != nil || c.Step != 2 {
		t.Errorf("the file: %v, %v", c, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if l, err = LockCheckpoint(link); err != nil {
		t.Fatal(err)
	}
	l.Close()
	if list, _ := os.ReadDir(filepath.Dir(path)); len(list) != 2 {
		t.Errorf("the folder holds %v", list)
	}
}

// TestReplaceOnAFailingDisk makes fsync, rename and close fail by what the writer does meanwhile: the old file stays, and
// nothing else.
func TestReplaceOnAFailingDisk(t *testing.T) {
	for name, spoil := range map[string]func(path string, w io.Writer) error{
		"fsync": func(_ string, w io.Writer) error { return w.(*os.File).Close() },
		"rename": func(_ string, w io.Writer) error { // the temporary file is gone
			return os.Remove(w.(*os.File).Name())
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "file")
			if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
				t.Fatal(err)
			}
			err := replace(path, func(w io.Writer) error { return spoil(path, w) })
			if err == nil {
				t.Error("no error")
			}
			if got, _ := os.ReadFile(path); string(got) != "old" {
				t.Errorf("the file holds %q", got)
			}
			if list, _ := os.ReadDir(filepath.Dir(path)); len(list) != 1 {
				t.Errorf("the folder holds %v", list)
			}
		})
	}
}
