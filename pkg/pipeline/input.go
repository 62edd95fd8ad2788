package pipeline

import (
	"fmt"
	"io"

	"odepipe/pkg/wire"
)

// input is the sample stream that a stage reads. Its errors say that they are about it, for a stage reads parameters too.
type input struct {
	reader  *wire.SampleReader
	header  wire.Header
	columns []wire.Column // without data
}

// openInput waits for the header, which must be of the kind.
func openInput(in io.Reader, kind wire.Kind, l wire.Limits) (*input, error) {
	i := &input{reader: wire.NewSampleReader(in, l)}
	var err error
	if i.header, i.columns, err = i.reader.Header(); err == nil {
		err = i.header.Want(kind)
	}
	return i, inInput(err)
}

// next reads a mini-batch, of at least one sample; io.EOF after the last.
func (i *input) next(batch *wire.Samples) error {
	err := i.reader.Next(batch)
	if err == nil && batch.Rows == 0 {
		err = fmt.Errorf("a mini-batch without samples: %w", wire.ErrTable)
	}
	return inInput(err)
}

func inInput(err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return fmt.Errorf("input: %w", err)
}
