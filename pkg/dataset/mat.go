package dataset

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// The types of data elements of MATLAB's level 5 format ("MAT-file format", The MathWorks) that are more than numbers,
// and the classes of arrays that are numbers.
const (
	matMatrix     = 14
	matCompressed = 15
	matDouble     = 6  // the first class of numbers
	matUint64     = 15 // the last
	matComplex    = 0x08
)

// matNumbers names the numeric types as .npy does.
var matNumbers = map[uint32]string{
	1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8",
}

// Limits of what describes an array; MATLAB's own names have 63 bytes at most.
const (
	matMaxDims = 32
	matMaxName = 1 << 10
)

// decodeMAT reads arrays of numbers by name from MATLAB's level 5 format, as versions 5 to 7 save it: a header of 128
// bytes, then elements, each a tag of type and length and that many bytes, compressed ones holding another element. All
// other variables are passed over. MATLAB's order is column-major, so that shapes come out reversed: [N, 3, W, H] for
// its H x W x 3 x N.
//
// It returns ErrMissing for a name that the file has not, ErrFormat for an array that is not one of real numbers, and
// ErrSize for a file that is cut.
func decodeMAT(in *input, names ...string) (map[string]*array, error) {
	header := make([]byte, 128)
	if _, err := io.ReadFull(in, header); err != nil {
		return nil, matCut(err)
	}
	m := &matReader{r: in, order: binary.LittleEndian, names: names, arrays: map[string]*array{}}
	switch string(header[126:]) {
	case "IM":
	case "MI":
		m.order = binary.BigEndian
	default:
		return nil, fmt.Errorf("%w: it starts with %.20q, not with the header of a level 5 MAT-file", ErrFormat, header[:20])
	}
	if version := m.order.Uint16(header[124:]); version != 0x0100 {
		return nil, fmt.Errorf("%w: MAT-file version %#04x; save it with -v7", ErrFormat, version)
	}
	for {
		if _, err := in.Peek(1); errors.Is(err, io.EOF) {
			break
		}
		if err := m.variable(); err != nil {
			return nil, err
		}
	}
	for _, name := range names {
		if m.arrays[name] == nil {
			return nil, fmt.Errorf("%w: no variable %s", ErrMissing, name)
		}
	}
	return m.arrays, nil
}

// matCut turns the end of a file where there must be more of it into ErrSize.
func matCut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it ends inside a variable", ErrSize)
	}
	return err
}

// matReader reads the elements of a file, or of what one of them holds.
type matReader struct {
	r      io.Reader
	order  binary.ByteOrder
	names  []string
	arrays map[string]*array
}

// tag reads the type of an element and the number of its bytes; small are those that stand in the tag itself.
func (m *matReader) tag() (kind, size uint32, small []byte, err error) {
	tag := make([]byte, 8)
	if _, err := io.ReadFull(m.r, tag); err != nil {
		return 0, 0, nil, matCut(err)
	}
	kind, size = m.order.Uint32(tag), m.order.Uint32(tag[4:])
	if kind>>16 != 0 {
		kind, size = kind&0xffff, kind>>16
		if size > 4 {
			return 0, 0, nil, fmt.Errorf("%w: a tag with %d bytes inside", ErrFormat, size)
		}
		small = tag[4 : 4+size]
	}
	return kind, size, small, nil
}

// variable reads one element of the file.
func (m *matReader) variable() error {
	kind, size, small, err := m.tag()
	if err != nil || small != nil {
		return err
	}
	whole := m.r
	defer func() { m.r = whole }()
	body := &io.LimitedReader{R: whole, N: int64(size)}
	m.r = body
	switch kind {
	case matMatrix:
		err = m.matrix()
	case matCompressed:
		err = m.compressed()
	}
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, body); err != nil {
		return err
	}
	if body.N > 0 {
		return matCut(io.EOF)
	}
	return nil
}

// compressed reads the variable that a compressed element holds, to its end, so that its checksum counts.
func (m *matReader) compressed() error {
	unzipped, err := zlib.NewReader(m.r)
	if err != nil {
		return matZip(err)
	}
	m.r = unzipped
	kind, _, _, err := m.tag()
	if err == nil && kind != matMatrix {
		err = fmt.Errorf("%w: a compressed element of type %d", ErrFormat, kind)
	}
	if err == nil {
		err = m.matrix()
	}
	if err == nil {
		_, err = io.Copy(io.Discard, unzipped)
	}
	return matZip(err)
}

// matZip turns what zlib finds wrong into this package's errors.
func matZip(err error) error {
	var corrupt flate.CorruptInputError
	if errors.Is(err, zlib.ErrHeader) || errors.Is(err, zlib.ErrChecksum) || errors.Is(err, zlib.ErrDictionary) || errors.As(err, &corrupt) {
		return fmt.Errorf("%w: damaged compressed variable: %v", ErrFormat, err)
	}
	return matCut(err)
}

// matrix reads an array up to its real part, or only its name if that is not asked for.
func (m *matReader) matrix() error {
	flags, err := m.part(8)
	if err != nil {
		return err
	}
	dims, err := m.part(4 * matMaxDims)
	if err != nil {
		return err
	}
	nameBytes, err := m.part(matMaxName)
	if err != nil {
		return err
	}
	name := string(bytes.TrimRight(nameBytes, "\x00"))
	if !slices.Contains(m.names, name) {
		return nil
	}
	if len(flags) != 8 {
		return fmt.Errorf("%w: variable %s has flags of %d bytes", ErrFormat, name, len(flags))
	}
	word := m.order.Uint32(flags)
	if class := word & 0xff; class < matDouble || class > matUint64 || word>>8&matComplex != 0 {
		return fmt.Errorf("%w: variable %s is no array of real numbers", ErrFormat, name)
	}
	a, err := m.numbers(dims)
	if err != nil {
		return fmt.Errorf("variable %s: %w", name, err)
	}
	m.arrays[name] = a
	return nil
}

// part reads an element of no more than so many bytes inside an array, and what pads it to a multiple of 8.
func (m *matReader) part(limit uint32) ([]byte, error) {
	_, size, small, err := m.tag()
	if err != nil || small != nil {
		return small, err
	}
	if size > limit {
		return nil, fmt.Errorf("%w: %d bytes describe a variable where %d can", ErrFormat, size, limit)
	}
	data := make([]byte, (size+7)/8*8)
	_, err = io.ReadFull(m.r, data)
	return data[:size], matCut(err)
}

// numbers reads the real part of an array whose dimensions, int32 each, are given.
func (m *matReader) numbers(dims []byte) (*array, error) {
	shape, n := make([]int, len(dims)/4), int64(1)
	for i := range shape {
		d := int64(int32(m.order.Uint32(dims[4*i:])))
		if d < 0 || d > 0 && n > maxElements/d {
			return nil, fmt.Errorf("%w: dimension %d is %d", ErrShape, i+1, d)
		}
		shape[len(shape)-1-i], n = int(d), n*d
	}
	kind, size, small, err := m.tag()
	if err != nil {
		return nil, err
	}
	number, known := matNumbers[kind]
	if !known || int64(size) != n*int64(npyTypes[number]) {
		return nil, fmt.Errorf("%w: %d bytes of type %d for %d numbers", ErrShape, size, kind, n)
	}
	if small == nil {
		if small, err = readUpTo(m.r, 0, int64(size)); err != nil {
			return nil, err
		}
		if int64(len(small)) < int64(size) {
			return nil, matCut(io.EOF)
		}
	}
	return npyElements(number, shape, small, m.order)
}
