package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"reflect"

	"github.com/apache/arrow/go/v15/arrow"
)

// An Arrow file is a stream between a head and a footer that says again what the stream holds:
//
//	"ARROW1\0\0"  schema  batch ...  [end marker]  footer  length of the footer (4 bytes)  "ARROW1"
//
// It is read as the stream; the footer must agree with it, so that damage to either copy of the schema is noticed.

const (
	fileHead = 8     // bytes before the stream
	fileTail = 4 + 6 // bytes after the footer
)

// footer is what a file's footer says.
type footer struct {
	at      int64 // its position, where the stream ends
	outline outline
	blocks  []span // positions count from the stream's beginning
}

// readFooter checks a file's head and tail and reads its footer.
//
// It returns ErrNotArrow for what does not begin as an Arrow file, ErrTruncated for what does not end as one, ErrLimit
// or ErrCorrupt.
func readFooter(r io.ReaderAt, size int64, l Limits) (footer, error) {
	var f footer
	head, tail := make([]byte, fileHead), make([]byte, fileTail)
	if size == 0 {
		return f, ErrEmpty
	}
	if _, err := r.ReadAt(head, 0); err != nil && err != io.EOF {
		return f, err
	}
	if !bytes.HasPrefix(head, magic) {
		return f, fmt.Errorf("not an Arrow file: %w", ErrNotArrow)
	}
	if size < fileHead+fileTail {
		return f, fmt.Errorf("file of %d bytes: %w", size, ErrTruncated)
	}
	if _, err := r.ReadAt(tail, size-fileTail); err != nil && err != io.EOF {
		return f, err
	}
	if !bytes.Equal(tail[4:], magic) {
		return f, fmt.Errorf("file without a footer: %w", ErrTruncated)
	}
	length := int64(binary.LittleEndian.Uint32(tail))
	if length > l.orDefault().Metadata {
		return f, fmt.Errorf("footer of %d bytes: %w", length, ErrLimit)
	}
	f.at = size - fileTail - length
	if f.at < fileHead {
		return f, fmt.Errorf("footer of %d bytes in a file of %d: %w", length, size, ErrCorrupt)
	}
	body := make([]byte, length)
	if _, err := r.ReadAt(body, f.at); err != nil && err != io.EOF {
		return f, err
	}
	return f, f.parse(newView(body))
}

// parse reads the footer's schema and list of batches.
func (f *footer) parse(v *view) error {
	root := v.root()
	schema, ok := root.child(1)
	if !ok {
		return fmt.Errorf("footer without a schema: %w", ErrCorrupt)
	}
	var err error
	if f.outline, err = readSchema(schema); err != nil {
		return fmt.Errorf("footer: %w", err)
	}
	const block = 24 // bytes: position, length of metadata and padding, length of body
	_, dictionaries := root.vector(2, block)
	at, n := root.vector(3, block)
	for range n {
		f.blocks = append(f.blocks, span{
			at:   int64(v.unsigned(at, 8)) - fileHead,
			meta: int64(v.unsigned(at+8, 4)),
			body: int64(v.unsigned(at+16, 8)),
		})
		at += block
	}
	if v.bad || dictionaries != 0 {
		return fmt.Errorf("footer: %w", ErrCorrupt)
	}
	return nil
}

// agrees returns ErrCorrupt unless the footer says what the guard has seen of the whole stream.
func (f *footer) agrees(g *guard) error {
	if !reflect.DeepEqual(f.outline, g.outline) {
		return fmt.Errorf("footer has another schema: %w", ErrCorrupt)
	}
	if !reflect.DeepEqual(f.blocks, g.blocks) {
		return fmt.Errorf("footer has other batches: %w", ErrCorrupt)
	}
	return nil
}

// fileSource makes the source of the stream within a file; at its end the footer is compared with it.
func fileSource(r io.ReaderAt, size int64, l Limits, kinds []Kind, table func(*arrow.Schema) error) (source, error) {
	f, err := readFooter(r, size, l)
	if err != nil {
		return source{}, err
	}
	length := f.at - fileHead
	s := newSource(io.NewSectionReader(r, fileHead, length), l, kinds, table)
	s.guard.file, s.guard.left = true, length
	s.footer = &f
	return s, nil
}
