package dataset

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
	"unsafe"
)

const (
	npyMagic     = "\x93NUMPY"
	npyMaxHeader = 1 << 16 // NumPy itself refuses headers above 10,000 bytes
)

// The entries of a .npy header, a Python dictionary; structured types and pickled objects have no such descr.
var (
	npyDescr   = regexp.MustCompile(`['"]descr['"]\s*:\s*['"]([<>|=]?)([a-z]\d+)['"]`)
	npyFortran = regexp.MustCompile(`['"]fortran_order['"]\s*:\s*(True|False)`)
	npyShape   = regexp.MustCompile(`['"]shape['"]\s*:\s*\(([^()]*)\)`)
)

// npyTypes gives the bytes of an element of each type that is read.
var npyTypes = map[string]int{"f4": 4, "f8": 8, "b1": 1, "u1": 1, "i1": 1, "u2": 2, "i2": 2, "u4": 4, "i4": 4, "u8": 8, "i8": 8}

// decodeNPY reads NumPy's format, versions 1 to 3: magic, version, length of the header, header, elements. It takes
// float32, float64, bool and all integers, in either byte order and C order.
func decodeNPY(in *input) (*array, error) {
	header, size, err := npyHeader(in)
	if err != nil {
		return nil, err
	}
	descr, fortran, dims := npyDescr.FindSubmatch(header), npyFortran.FindSubmatch(header), npyShape.FindSubmatch(header)
	if descr == nil || fortran == nil || dims == nil {
		return nil, fmt.Errorf("%w: the .npy header %.80q describes no plain array", ErrFormat, header)
	}
	kind := string(descr[2])
	width, known := npyTypes[kind]
	if !known {
		return nil, fmt.Errorf("%w: .npy type %q; float32, float64, bool and integers are read", ErrFormat, kind)
	}
	shape, n, err := npyDims(string(dims[1]))
	if err != nil {
		return nil, err
	}
	if string(fortran[1]) == "True" && len(shape) > 1 {
		return nil, fmt.Errorf("%w: .npy in Fortran order; save numpy.ascontiguousarray of it", ErrFormat)
	}
	raw, err := readRest(in, size, n*int64(width))
	if err != nil {
		return nil, err
	}
	var order binary.ByteOrder = binary.LittleEndian
	if string(descr[1]) == ">" {
		order = binary.BigEndian
	}
	return npyElements(kind, shape, raw, order)
}

// npyHeader reads up to the first element: the text of the header, and how many bytes came before the elements.
func npyHeader(in *input) (header []byte, size int64, err error) {
	start := make([]byte, 10)
	if _, err := io.ReadFull(in, start); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, 0, fmt.Errorf("%w: it ends inside the .npy header", ErrSize)
	} else if err != nil {
		return nil, 0, err
	}
	if string(start[:6]) != npyMagic {
		return nil, 0, fmt.Errorf("%w: it starts with % x, not with .npy's magic", ErrFormat, start[:6])
	}
	length := int(binary.LittleEndian.Uint16(start[8:]))
	size = 10
	switch start[6] {
	case 1:
	case 2, 3:
		high := make([]byte, 2)
		if _, err := io.ReadFull(in, high); err != nil {
			return nil, 0, fmt.Errorf("%w: it ends inside the .npy header", ErrSize)
		}
		length |= int(binary.LittleEndian.Uint16(high)) << 16
		size = 12
	default:
		return nil, 0, fmt.Errorf("%w: .npy version %d; 1 to 3 are read", ErrFormat, start[6])
	}
	if length > npyMaxHeader {
		return nil, 0, fmt.Errorf("%w: .npy header of %d bytes", ErrFormat, length)
	}
	header = make([]byte, length)
	if _, err := io.ReadFull(in, header); err != nil {
		return nil, 0, fmt.Errorf("%w: it ends inside the .npy header", ErrSize)
	}
	return header, size + int64(length), nil
}

// npyDims parses the inside of a tuple, "60000, 2" or "7,"; n is the number of elements.
func npyDims(tuple string) (shape []int, n int64, err error) {
	n = 1
	for _, word := range strings.Split(tuple, ",") {
		word = strings.TrimSuffix(strings.TrimSpace(word), "L")
		if word == "" {
			continue
		}
		d, err := strconv.ParseInt(word, 10, 64)
		if err != nil || d < 0 || d > 0 && n > maxElements/d {
			return nil, 0, fmt.Errorf("%w: .npy shape (%s)", ErrShape, tuple)
		}
		shape, n = append(shape, int(d)), n*d
	}
	return shape, n, nil
}

// npyElements converts the bytes of elements, floats in place: raw is memory of its own.
func npyElements(kind string, shape []int, raw []byte, order binary.ByteOrder) (*array, error) {
	a := &array{shape: shape}
	switch kind {
	case "u1", "b1":
		a.bytes = raw
	case "f4":
		a.values.F32 = unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(raw))), len(raw)/4)
		for i := range a.values.F32 {
			a.values.F32[i] = math.Float32frombits(order.Uint32(raw[4*i:]))
		}
	case "f8":
		a.values.F64 = unsafe.Slice((*float64)(unsafe.Pointer(unsafe.SliceData(raw))), len(raw)/8)
		for i := range a.values.F64 {
			a.values.F64[i] = math.Float64frombits(order.Uint64(raw[8*i:]))
		}
	default:
		width := npyTypes[kind]
		a.ints = make([]int64, len(raw)/width)
		for i := range a.ints {
			a.ints[i] = npyInt(kind, raw[width*i:], order)
			if kind == "u8" && a.ints[i] < 0 {
				return nil, fmt.Errorf("%w: element %d is above 2^63", ErrFormat, i)
			}
		}
	}
	return a, nil
}

// npyInt is the integer of a type at the start of b.
func npyInt(kind string, b []byte, order binary.ByteOrder) int64 {
	switch kind {
	case "i1":
		return int64(int8(b[0]))
	case "u2":
		return int64(order.Uint16(b))
	case "i2":
		return int64(int16(order.Uint16(b)))
	case "u4":
		return int64(order.Uint32(b))
	case "i4":
		return int64(int32(order.Uint32(b)))
	}
	return int64(order.Uint64(b))
}
