package dataset

import (
	"fmt"
	"os"
)

// Pixels are rows of as many bytes each: in memory or, where the data set is in plain files, there, to be read as they are
// asked for. It is used by one goroutine.
type Pixels struct {
	size  int    // of a row
	bytes []byte // rows one behind the other; nil where they are in files
	files []rowFile
	read  []byte // the row read last
}

// rowFile is an open file of rows at a regular distance.
type rowFile struct {
	*os.File
	first, stride int64 // where the first row begins, and the distance of rows, in bytes
	rows          int
}

// inMemory is rows one behind the other.
func inMemory(bytes []byte, size int) *Pixels { return &Pixels{size: size, bytes: bytes} }

// rows is the number of rows.
func (p *Pixels) rows() int {
	n := len(p.bytes) / p.size
	for _, f := range p.files {
		n += f.rows
	}
	return n
}

// row is row i, which lives until the next call.
func (p *Pixels) row(i int) ([]byte, error) {
	if p.bytes != nil {
		return p.bytes[i*p.size : (i+1)*p.size], nil
	}
	if p.read == nil {
		p.read = make([]byte, p.size)
	}
	for _, f := range p.files {
		if i < f.rows {
			if _, err := f.ReadAt(p.read, f.first+int64(i)*f.stride); err != nil {
				return nil, fmt.Errorf("%s: row %d: %w", f.Name(), i, err)
			}
			return p.read, nil
		}
		i -= f.rows
	}
	panic("dataset: no such row")
}

// append takes the rows of a plain file in.
func (p *Pixels) append(in *input, first, stride int64, rows int) error {
	f, err := os.Open(in.path)
	if err == nil {
		p.files = append(p.files, rowFile{f, first, stride, rows})
	}
	return err
}

// pixels are the n bytes, of rows of some size, that must be all that is left of a file, head of which have been read before.
// Errors are those of readRest.
func pixels(in *input, head, n int64, size int) (*Pixels, error) {
	if in.path == "" {
		bytes, err := readRest(in, head, n)
		return inMemory(bytes, size), err
	}
	if in.size != head+n {
		return nil, wrongSize(head+n, in.size)
	}
	p := &Pixels{size: size}
	return p, p.append(in, head, int64(size), int(n)/size)
}
