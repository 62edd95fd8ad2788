package wire

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// ErrInUse says that another process holds the lock of a checkpoint.
var ErrInUse = errors.New("wire: another process is training this checkpoint")

// Lock is the right to replace a checkpoint. It lies on the file itself, so that it needs no file of its own and the
// system takes it back when the process ends, however that comes about. Saving moves it on to the new file.
type Lock struct {
	path string
	file *os.File
}

// LockCheckpoint takes the lock of the checkpoint at path, and removes what a save that was killed has left beside it. On
// a file system without locks it succeeds.
//
// It returns ErrInUse if another process has it, with the path, and what opening returned.
func LockCheckpoint(path string) (*Lock, error) {
	path, err := resolve(path)
	if err != nil {
		return nil, err
	}
	for {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		if err := flock(f); err != nil {
			f.Close()
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if same(f, path) {
			removeTemporaries(path)
			return &Lock{path, f}, nil
		}
		f.Close() // it was replaced between the two
	}
}

// flock locks a file for as long as it is open.
func flock(f *os.File) error {
	for {
		switch err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err {
		case nil, syscall.ENOTSUP, syscall.ENOSYS, syscall.ENOLCK:
			return nil
		case syscall.EWOULDBLOCK:
			return ErrInUse
		case syscall.EINTR:
		default:
			return err
		}
	}
}

// same tells whether an open file is the one at path.
func same(f *os.File, path string) bool {
	own, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(own, there)
}

// removeTemporaries removes files that replace left behind; whoever has the lock knows that nobody is writing them.
func removeTemporaries(path string) {
	folder, name := filepath.Split(path)
	if folder == "" {
		folder = "."
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return
	}
	for _, e := range entries {
		if isTemporary(e.Name(), name) && e.Type().IsRegular() {
			os.Remove(filepath.Join(folder, e.Name()))
		}
	}
}

// Save replaces the checkpoint by c, as Checkpoint.Save does, and keeps the lock.
func (l *Lock) Save(c *Checkpoint) error {
	var next *os.File
	err := replace(l.path, func(w io.Writer) error {
		f, err := os.Open(w.(*os.File).Name()) // which stays open when the writer is closed
		if err != nil {
			return err
		}
		next = f
		if err := flock(f); err != nil {
			return err
		}
		return c.Encode(w)
	})
	if next == nil {
		return err
	}
	if !same(next, l.path) { // the old file is still there
		next.Close()
		return err
	}
	l.file.Close()
	l.file = next
	return err
}

// Close gives the lock back.
func (l *Lock) Close() error { return l.file.Close() }
