package wire

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"

	"odepipe/pkg/tensor"

	"github.com/apache/arrow/go/v15/arrow"
)

// Stream is a stream or file of any kind. Of its three readers, the one of its table is not nil.
type Stream struct {
	Header
	File    bool         // an Arrow file rather than a stream
	Columns []Column     // of a sample table, without data
	DType   tensor.DType // of a tensor table

	Samples *SampleReader
	Tensors *TensorReader
	Trace   *TraceReader
}

// OpenStream reads the header of a stream or of an Arrow file. A file is read in place if r is a regular *os.File, and else
// kept in memory.
//
// Its errors, and those of the readers, are those of SampleReader.
func OpenStream(r io.Reader, l Limits) (*Stream, error) {
	var schema *arrow.Schema
	take := func(s *arrow.Schema) error { schema = s; return nil }
	src, err := openSource(r, l, take)
	if err != nil {
		return nil, err
	}
	if err := src.open(); err != nil {
		return nil, err
	}
	s := &Stream{Header: src.header, File: src.footer != nil}
	src.guard.nullable = s.Kind == Trace
	switch {
	case slices.Contains(sampleKinds, s.Kind):
		s.Samples = &SampleReader{source: src}
		err = s.Samples.table(schema)
		s.Columns = s.Samples.columns
	case slices.Contains(tensorKinds, s.Kind):
		s.Tensors = &TensorReader{source: src, seen: map[key]struct{}{}}
		err = s.Tensors.table(schema)
		s.DType = s.Tensors.dtype
	default:
		s.Trace = &TraceReader{source: src}
		err = s.Trace.table(schema)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// openSource makes the source of a stream, or of the one within a file.
func openSource(r io.Reader, l Limits, take func(*arrow.Schema) error) (source, error) {
	buffer := bufio.NewReaderSize(r, 16) // to look ahead; everything larger passes it by
	if head, _ := buffer.Peek(len(magic)); !bytes.Equal(head, magic) {
		return newSource(buffer, l, allKinds, take), nil
	}
	at, size, err := whole(r, buffer, l)
	if err != nil {
		return source{}, err
	}
	return fileSource(at, size, l, allKinds, take)
}

// whole is the whole of a file: r itself if it is a regular one, else what comes through the buffer.
func whole(r io.Reader, buffer io.Reader, l Limits) (io.ReaderAt, int64, error) {
	if f, ok := r.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			return f, info.Size(), nil
		}
	}
	most := l.orDefault().Body
	all, err := io.ReadAll(io.LimitReader(buffer, most+1))
	if err != nil {
		return nil, 0, err
	}
	if int64(len(all)) > most {
		return nil, 0, fmt.Errorf("file of more than %d bytes: %w", most, ErrLimit)
	}
	return bytes.NewReader(all), int64(len(all)), nil
}
