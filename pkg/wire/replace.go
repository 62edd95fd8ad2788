package wire

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// replace puts what write writes at path, atomically: a temporary file in the same folder, fsync, rename, fsync of the
// folder. A symbolic link stays and its target is replaced; an existing file's mode is kept. On any error the
// temporary file is removed and the old file is as it was.
//
// It returns what write and the operating system returned, and fs.ErrInvalid if path is something else than a file.
func replace(path string, write func(io.Writer) error) error {
	path, err := resolve(path)
	if err != nil {
		return err
	}
	mode := fs.FileMode(0)
	switch info, err := os.Stat(path); {
	case err == nil && !info.Mode().IsRegular():
		return &fs.PathError{Op: "replace", Path: path, Err: fs.ErrInvalid}
	case err == nil:
		mode = info.Mode().Perm()
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	folder, name := filepath.Split(path)
	temporary := filepath.Join(folder, temporaryName(name))
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	err = fill(f, mode, write)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	return syncFolder(filepath.Dir(path))
}

// temporaryName is a new name of a temporary file for a file of the name: that, hidden, and 16 hexadecimal digits.
func temporaryName(name string) string { return fmt.Sprintf(".%s.%016x", name, rand.Uint64()) }

// isTemporary tells whether an entry of the folder is a temporary file for a file of the name.
func isTemporary(entry, name string) bool {
	digits, found := strings.CutPrefix(entry, "."+name+".")
	return found && len(digits) == 16 && strings.Trim(digits, "0123456789abcdef") == ""
}

// resolve follows symbolic links to the last path, which need not exist.
func resolve(path string) (string, error) {
	const most = 40 // as Linux
	for range most {
		target, err := os.Readlink(path)
		if err != nil { // no link, or nothing there
			return path, nil
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(path), target)
		}
		path = target
	}
	return "", &fs.PathError{Op: "replace", Path: path, Err: syscall.ELOOP}
}

// fill gives a file its mode, unless that is 0, and its content, and sees them onto the disk.
func fill(f *os.File, mode fs.FileMode, write func(io.Writer) error) error {
	if mode != 0 {
		if err := f.Chmod(mode); err != nil {
			return err
		}
	}
	if err := write(f); err != nil {
		return err
	}
	return f.Sync()
}

// syncFolder sees a folder's entries onto the disk, on file systems that can do it.
func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}
