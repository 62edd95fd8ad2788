package wire_test

import (
	"bytes"
	"encoding/binary"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"odepipe/pkg/tensor"
	"odepipe/pkg/wire"
)

func checkpoint() *wire.Checkpoint {
	return &wire.Checkpoint{Header: paramHeader, DType: tensor.Float64, Set: *paramSet(7, tensor.Float64)}
}

// entries lists a folder.
func entries(t *testing.T, folder string) []string {
	t.Helper()
	list, err := os.ReadDir(folder)
	check(t, err)
	names := make([]string, len(list))
	for i, e := range list {
		names[i] = e.Name()
	}
	return names
}

func TestCheckpointRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ck.arrow")
	for range 2 {
		check(t, checkpoint().Save(path))
		got, err := wire.ReadCheckpoint(path, wire.Limits{})
		check(t, err)
		if got.DType != tensor.Float64 || got.Extra["lr"] != "0.1" || got.Model != paramHeader.Model {
			t.Errorf("%s %+v", got.DType, got.Header)
		}
		sameSet(t, &got.Set, &checkpoint().Set)
		check(t, got.Save(path))
	}
	if names := entries(t, filepath.Dir(path)); !slices.Equal(names, []string{"ck.arrow"}) {
		t.Errorf("folder holds %v", names)
	}
}

func TestSaveKeepsTheFilesModeAndTheLink(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "ck.arrow")
	check(t, os.WriteFile(path, []byte("old"), 0o600))
	check(t, os.Chmod(path, 0o640))
	for _, name := range []string{"link", "link to the link", "dangling"} {
		target := map[string]string{"link": "ck.arrow", "link to the link": "link", "dangling": "fresh.arrow"}[name]
		link := filepath.Join(folder, name)
		check(t, os.Symlink(target, link))
		check(t, checkpoint().Save(link))
		info, err := os.Lstat(link)
		check(t, err)
		if info.Mode()&fs.ModeSymlink == 0 {
			t.Errorf("%s is no link any more", name)
		}
		if _, err := wire.ReadCheckpoint(link, wire.Limits{}); err != nil {
			t.Error(err)
		}
	}
	info, err := os.Stat(path)
	check(t, err)
	if info.Mode() != 0o640 {
		t.Errorf("mode %v, want %v", info.Mode(), fs.FileMode(0o640))
	}
}

func TestFailedSaveLeavesTheOldFile(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "ck.arrow")
	check(t, checkpoint().Save(path))
	bad := checkpoint()
	bad.Tensors[0].Shape = []int{7}
	wants(t, bad.Save(path), wire.ErrTable)
	got, err := wire.ReadCheckpoint(path, wire.Limits{})
	check(t, err)
	sameSet(t, &got.Set, &checkpoint().Set)
	if names := entries(t, folder); !slices.Equal(names, []string{"ck.arrow"}) {
		t.Errorf("folder holds %v", names)
	}
}

func TestSaveWhereNoFileCanBe(t *testing.T) {
	folder := t.TempDir()
	wants(t, checkpoint().Save(filepath.Join(folder, "none", "ck.arrow")), fs.ErrNotExist)
	wants(t, checkpoint().Save(folder), fs.ErrInvalid)
	wants(t, checkpoint().Save(os.DevNull), fs.ErrInvalid)
	check(t, os.Symlink("loop", filepath.Join(folder, "loop")))
	wants(t, checkpoint().Save(filepath.Join(folder, "loop")), syscall.ELOOP)
	t.Run("read-only folder", func(t *testing.T) {
		if os.Geteuid() == 0 {
			t.Skip("root writes to every folder")
		}
		check(t, os.Chmod(folder, 0o500))
		defer os.Chmod(folder, 0o700)
		wants(t, checkpoint().Save(filepath.Join(folder, "ck.arrow")), fs.ErrPermission)
	})
}

func TestFooterMustAgree(t *testing.T) {
	whole := encoded(t)
	length := int(binary.LittleEndian.Uint32(whole[len(whole)-10:]))
	footer := len(whole) - 10 - length
	for name, want := range map[string]string{"0.1": "0.2", "snopt": "sn0pt"} {
		for _, part := range []struct {
			name     string
			from, to int
		}{{"schema", 0, footer}, {"footer", footer, len(whole)}} {
			t.Run(name+" in the "+part.name, func(t *testing.T) {
				changed := slices.Clone(whole)
				at := part.from + bytes.Index(changed[part.from:part.to], []byte(name))
				copy(changed[at:], want)
				wants(t, readFile(changed), wire.ErrCorrupt)
			})
		}
	}
	t.Run("a block moved", func(t *testing.T) {
		changed := slices.Clone(whole)
		at := bytes.LastIndex(changed, binary.LittleEndian.AppendUint32(nil, uint32(bodySize(t, whole))))
		changed[at] ^= 8
		wants(t, readFile(changed), wire.ErrCorrupt)
	})
}

// bodySize is the length of the body of a checkpoint's batch: what lies between its metadata and the footer.
func bodySize(t *testing.T, file []byte) int {
	t.Helper()
	length := int(binary.LittleEndian.Uint32(file[len(file)-10:]))
	footer := len(file) - 10 - length
	at := bytes.LastIndex(file[:footer], []byte{0xff, 0xff, 0xff, 0xff})
	return footer - at - 8 - int(binary.LittleEndian.Uint32(file[at+4:]))
}

func TestCheckpointOfAnotherKind(t *testing.T) {
	c := checkpoint()
	c.Kind = wire.Gradient
	wants(t, c.Encode(&bytes.Buffer{}), wire.ErrKind)
}
