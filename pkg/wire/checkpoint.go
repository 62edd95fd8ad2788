package wire

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"odepipe/pkg/tensor"

	"github.com/apache/arrow/go/v15/arrow/ipc"
)

// Checkpoint is a tensor table of one Set, of kind Params, with the facts that resume a training in Header.Extra: as a
// file, an Arrow IPC file.
type Checkpoint struct {
	Header
	DType tensor.DType
	Set
}

// ReadCheckpoint reads a checkpoint; "-" is standard input.
//
// It returns what opening and reading returned, or the errors of TensorReader, each with the path; ErrCorrupt also for
// a file whose footer disagrees with its content or that has not exactly one batch.
func ReadCheckpoint(path string, l Limits) (*Checkpoint, error) {
	f := os.Stdin
	if path != "-" {
		var err error
		if f, err = os.Open(path); err != nil {
			return nil, err
		}
		defer f.Close()
	}
	c, err := readCheckpoint(f, f, l)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// readCheckpoint reads a checkpoint from a regular file, or, through r, from one that comes as a stream and has to be
// kept in memory.
func readCheckpoint(f *os.File, r io.Reader, l Limits) (*Checkpoint, error) {
	at, size, err := whole(f, r, l)
	if err != nil {
		return nil, err
	}
	return DecodeCheckpoint(at, size, l)
}

// DecodeCheckpoint reads a checkpoint from size bytes. Its errors are those of ReadCheckpoint.
func DecodeCheckpoint(r io.ReaderAt, size int64, l Limits) (*Checkpoint, error) {
	t := &TensorReader{seen: map[key]struct{}{}}
	var err error
	if t.source, err = fileSource(r, size, l, tensorKinds, t.table); err != nil {
		return nil, err
	}
	c := &Checkpoint{}
	if c.Header, c.DType, err = t.Header(); err != nil {
		return nil, err
	}
	if err = c.Want(Params); err != nil {
		return nil, err
	}
	switch err = t.Next(&c.Set); err {
	case nil:
	case io.EOF:
		return nil, fmt.Errorf("checkpoint without a batch: %w", ErrCorrupt)
	default:
		return nil, err
	}
	switch err = t.Next(&Set{}); err {
	case io.EOF: // nothing has overwritten the reader's memory, which is the set's from now on
	case nil:
		return nil, fmt.Errorf("checkpoint of more than one batch: %w", ErrCorrupt)
	default:
		return nil, err
	}
	return c, nil
}

// Encode writes the checkpoint as an Arrow IPC file.
//
// It returns ErrKind for a kind other than Params, ErrTable or ErrLimit for a set that a TensorWriter would not write,
// and what writing returned.
func (c *Checkpoint) Encode(w io.Writer) error {
	md, err := c.metadata([]Kind{Params})
	if err != nil {
		return err
	}
	rows := tensorRows{dtype: c.DType, schema: tensorSchema(c.DType, md)}
	rec, err := rows.record(&c.Set)
	if err != nil {
		return err
	}
	buffer := bufio.NewWriter(w)
	f, err := ipc.NewFileWriter(&positioned{w: buffer}, ipc.WithSchema(rows.schema))
	if err != nil {
		return err
	}
	if err = f.Write(rec); err == nil {
		err = f.Close()
	}
	if err != nil {
		return err
	}
	return buffer.Flush()
}

// Save replaces the file at path by the checkpoint: after an error or a crash, at any time, it is the old file or the
// new one, whole. See replace.
func (c *Checkpoint) Save(path string) error { return replace(path, c.Encode) }

// positioned is a writer that knows where it is, as the library's file writer asks for it.
type positioned struct {
	w  io.Writer
	at int64
}

func (p *positioned) Write(b []byte) (int, error) {
	n, err := p.w.Write(b)
	p.at += int64(n)
	return n, err
}

// Seek tells the position; it goes nowhere else.
func (p *positioned) Seek(offset int64, whence int) (int64, error) {
	if offset != 0 || whence != io.SeekCurrent {
		return 0, errors.ErrUnsupported
	}
	return p.at, nil
}
