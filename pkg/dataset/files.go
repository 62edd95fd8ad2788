package dataset

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// input is an open file.
type input struct {
	*bufio.Reader
	size int64  // how many bytes it has, or says that it has, where it does not take reading to tell; else 0
	path string // of a plain file, whose parts can be read again; else empty
}

// firstChunk is what readRest allocates for the bytes that a header promises where the file's size is not known.
const firstChunk = 1 << 20

// find returns the path of a file below the data folder, plain or packed as .gz, as locate does.
func find(root, name string, folders ...string) (string, error) {
	return locate(root, []string{name, name + ".gz"}, folders...)
}

// locate returns the first path that exists of folder/name over the folders, given relative to root, and the names of
// one file. Its error says which were tried and how to get them.
func locate(root string, names []string, folders ...string) (string, error) {
	for _, folder := range folders {
		for _, name := range names {
			path := filepath.Join(root, folder, name)
			if _, err := os.Stat(path); err == nil {
				return path, nil
			} else if !errors.Is(err, fs.ErrNotExist) {
				return "", err
			}
		}
	}
	tried := make([]string, len(folders))
	for i, folder := range folders {
		tried[i] = filepath.Join(root, folder)
	}
	return "", fmt.Errorf("%w: neither %s in %s; fetch it with scripts/get-data.sh, or name the data folder with --data or $ODEPIPE_DATA",
		ErrMissing, strings.Join(names, " nor "), strings.Join(tried, ", "))
}

// read opens a file, "-" being standard input, unpacks it if its name ends in .gz, and has decode read it.
// Errors name the file.
func read(path string, decode func(*input) error) error {
	file := os.Stdin
	if path != "-" {
		var err error
		if file, err = os.Open(path); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%w: %s", ErrMissing, path)
		} else if err != nil {
			return err
		}
		defer file.Close()
	}
	in := &input{Reader: bufio.NewReaderSize(file, 1<<16)}
	if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
		in.size, in.path = info.Size(), path
	}
	if strings.HasSuffix(path, ".gz") {
		unzipped, err := gzip.NewReader(in)
		if err != nil {
			return fmt.Errorf("%s: %w: not gzip: %v", path, ErrFormat, err)
		}
		in = &input{Reader: bufio.NewReaderSize(unzipped, 1<<16), size: unzippedSize(file, in.size)}
	}
	if err := decode(in); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// unzippedSize is what the end of a gzip file of so many bytes says of what it holds, modulo 2^32, at most what it can
// hold; 0 for none of known size.
func unzippedSize(file *os.File, size int64) int64 {
	const most = 1032 // bytes that deflate makes of one
	var tail [4]byte
	if _, err := file.ReadAt(tail[:], size-int64(len(tail))); err != nil {
		return 0
	}
	return min(int64(binary.LittleEndian.Uint32(tail[:])), most*size)
}

// readUpTo reads n bytes, or what there is of them. It allocates no more than firstChunk, or size where the file has more
// or says so, and twice what there really is.
func readUpTo(in io.Reader, size, n int64) ([]byte, error) {
	buf := make([]byte, 0, min(n, max(size, firstChunk)))
	for int64(len(buf)) < n {
		if len(buf) == cap(buf) {
			buf = append(make([]byte, 0, min(n, 2*int64(cap(buf)))), buf...)
		}
		m, err := io.ReadFull(in, buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+m]
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		} else if err != nil {
			return nil, err
		}
	}
	return buf, nil
}

// readRest reads the n bytes that must be all that is left of a file, head of which have been read before. It allocates
// as readUpTo does. Its errors count the bytes of the whole file.
func readRest(in *input, head, n int64) ([]byte, error) {
	buf, err := readUpTo(in, in.size, n)
	if err != nil {
		return nil, err
	}
	if int64(len(buf)) < n {
		return nil, wrongSize(head+n, head+int64(len(buf)))
	}
	if m, err := io.ReadFull(in, make([]byte, 1)); m > 0 {
		return nil, wrongSize(head+n, head+n+1)
	} else if !errors.Is(err, io.EOF) {
		return nil, err
	}
	return buf, nil
}

// wrongSize is the error for a file that has another number of bytes, found being one more where nobody has counted on.
func wrongSize(expected, found int64) error {
	if found > expected {
		return fmt.Errorf("%w: %d expected, more found", ErrSize, expected)
	}
	return fmt.Errorf("%w: %d expected, %d found", ErrSize, expected, found)
}
