package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// Limits bound what a reader accepts. A zero field means its default.
type Limits struct {
	Metadata int64 // bytes of a message's metadata, where a schema holds the model; default 4 MiB
	Body     int64 // bytes of a batch; default 16 GiB

	Opening time.Duration // how long OpenParams waits for somebody to open a FIFO for writing; default a minute
}

func (l Limits) orDefault() Limits {
	if l.Metadata == 0 {
		l.Metadata = 4 << 20
	}
	if l.Body == 0 {
		l.Body = 16 << 30
	}
	if l.Opening == 0 {
		l.Opening = time.Minute
	}
	return l
}

// endMarker is the last of a stream; every other message begins with the same four bytes, then its length.
var (
	endMarker    = []byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}
	continuation = endMarker[:4]
	magic        = []byte("ARROW1")
)

// guard takes a stream apart into messages and lets through only those that are sound: one schema, then record
// batches that fit it (layout.go), none longer than the limits, and at the end the marker and nothing after it. Left to
// itself the library takes a stream for whole that was cut between messages, and allocates whatever a length says.
//
// Memory follows the data: of a body that is longer than any before, no more is allocated than twice what has come.
// Batches are read where they lie, in the guard's memory, which the next one overwrites; the library would copy them.
//
// It is the library's ipc.MessageReader, for the schema. Its first error, io.EOF at the proven end, stays.
type guard struct {
	r       io.Reader
	limits  Limits
	left    int64 // bytes of a file that remain, -1 for a stream of unknown length
	file    bool  // the stream lies in a file, whose footer begins at its end: no marker is needed
	outline outline

	nullable bool // columns may have nulls, as the trace's errors

	count  int    // messages so far
	blocks []span // where the record batches lie, of a file
	at     int64  // position in the stream
	prefix [8]byte
	meta   []byte
	body   []byte
	rows   int64   // of the last record batch
	cells  []cells // of its columns
	err    error
}

// span is where a message lies: its position, and the lengths of its metadata, prefix included, and body.
type span struct{ at, meta, body int64 }

func newGuard(r io.Reader, l Limits) *guard { return &guard{r: r, limits: l.orDefault(), left: -1} }

// Retain and Release do nothing: the guard's memory is the garbage collector's.
func (g *guard) Retain()  {}
func (g *guard) Release() {}

// Message reads the next message, as read does.
func (g *guard) Message() (*ipc.Message, error) {
	if err := g.read(); err != nil {
		return nil, err
	}
	return ipc.NewMessage(memory.NewBufferBytes(g.meta), memory.NewBufferBytes(g.body)), nil
}

// read reads the next message into the guard's memory. It returns io.EOF at the proven end; ErrEmpty, ErrNotArrow, ErrTruncated, ErrCorrupt,
// ErrTable or ErrLimit for a stream that is not right; and what reading returned.
func (g *guard) read() error {
	if g.err == nil {
		g.err = g.next()
	}
	return g.err
}

func (g *guard) next() error {
	n, err := g.head()
	if err != nil {
		return err
	}
	if g.meta, err = g.fill(g.meta, n); err != nil {
		return err
	}
	v := newView(g.meta)
	header, kind, length := message(v)
	switch {
	case v.bad || length < 0:
		return fmt.Errorf("message %d: %w", g.count, ErrCorrupt)
	case length > g.limits.Body:
		return fmt.Errorf("body of %d bytes, at most %d: %w", length, g.limits.Body, ErrLimit)
	case g.count == 0 && (kind != messageSchema || length != 0):
		return fmt.Errorf("does not begin with a schema: %w", ErrNotArrow)
	case g.count > 0 && kind != messageRecordBatch:
		return fmt.Errorf("message of type %d: %w", kind, ErrTable)
	case g.count == 0:
		g.outline, err = readSchema(header)
	default:
		g.rows, g.cells, err = checkBatch(g.cells[:0], header, length, g.outline.columns, g.nullable)
	}
	if err != nil {
		return err
	}
	start := g.at - n - int64(len(g.prefix))
	if g.body, err = g.fill(g.body, length); err != nil {
		return err
	}
	if g.file && g.count > 0 {
		g.blocks = append(g.blocks, span{start, n + int64(len(g.prefix)), length})
	}
	g.count++
	return nil
}

// head reads what stands in front of a message and returns the length of its metadata, or io.EOF at the end.
func (g *guard) head() (int64, error) {
	n, err := io.ReadFull(g.r, g.prefix[:])
	g.at += int64(n)
	if g.left >= 0 {
		g.left -= int64(n)
	}
	got := g.prefix[:n]
	begins := len(got) >= len(continuation) && bytes.Equal(got[:len(continuation)], continuation)
	switch {
	case err != nil && err != io.EOF && !errors.Is(err, io.ErrUnexpectedEOF):
		return 0, err
	case n == 0 && g.file && g.count > 0:
		return 0, io.EOF
	case n == 0 && g.count == 0:
		return 0, ErrEmpty
	case g.count == 0 && bytes.HasPrefix(got, magic):
		return 0, fmt.Errorf("an Arrow file where a stream belongs: %w", ErrNotArrow)
	case g.count == 0 && !begins && !bytes.HasPrefix(continuation, got):
		return 0, ErrNotArrow
	case err != nil:
		return 0, ErrTruncated
	case !begins:
		return 0, fmt.Errorf("message %d does not begin as one: %w", g.count, ErrCorrupt)
	case bytes.Equal(got, endMarker):
		return 0, g.end()
	}
	length := int64(int32(binary.LittleEndian.Uint32(got[len(continuation):])))
	if length < 0 {
		return 0, fmt.Errorf("message %d: %w", g.count, ErrCorrupt)
	}
	if length > g.limits.Metadata {
		return 0, fmt.Errorf("metadata of %d bytes, at most %d: %w", length, g.limits.Metadata, ErrLimit)
	}
	return length, nil
}

// end returns io.EOF if the marker just read is the last of the stream.
func (g *guard) end() error {
	if g.count == 0 {
		return fmt.Errorf("no schema: %w", ErrCorrupt)
	}
	switch n, err := io.ReadFull(g.r, g.prefix[:1]); {
	case n > 0:
		return fmt.Errorf("data after the end marker: %w", ErrCorrupt)
	default:
		return err
	}
}

// bytes are a part of the last message's body, which the numbers of width bytes in it can be read from: it is copied if
// they do not lie at multiples of their width.
func (g *guard) bytes(e extent, width int) []byte {
	part := g.body[e.at : e.at+e.length]
	if len(part) > 0 && uintptr(unsafe.Pointer(&part[0]))%uintptr(width) != 0 {
		words := make([]uint64, (len(part)+7)/8)
		aligned := unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), len(part))
		copy(aligned, part)
		return aligned
	}
	return part
}

// fill reads n bytes into b's memory, or more if it does not suffice.
func (g *guard) fill(b []byte, n int64) ([]byte, error) {
	if g.left >= 0 {
		if n > g.left {
			return b, fmt.Errorf("message of %d bytes, %d remain: %w", n, g.left, ErrCorrupt)
		}
		g.left -= n
	}
	for have := int64(0); ; {
		room := max(int64(cap(b)), firstPart, 2*have)
		if g.left >= 0 {
			room = n
		}
		next := min(n, room)
		if next > int64(cap(b)) {
			b = append(make([]byte, 0, next), b[:have]...)
		}
		b = b[:next]
		m, err := io.ReadFull(g.r, b[have:])
		g.at += int64(m)
		if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
			return b, ErrTruncated
		}
		if err != nil || next == n {
			return b, err
		}
		have = next
	}
}

// firstPart is what a body is trusted to hold before any of it has come.
const firstPart = 1 << 20
