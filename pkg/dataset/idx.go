package dataset

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// maxElements bounds the number of elements that a header may promise, so that no product of dimensions overflows.
const maxElements = 1 << 40

// decodeIDX reads the format of the MNIST files, all numbers big-endian:
//
//	0 0 type rank   dimension ...   element ...
//
// with type 8, unsigned bytes. dims [rank], the number of samples first; bytes [dims...], row-major. rank is what the
// caller expects.
func decodeIDX(in *input, rank int) (dims []int, bytes []byte, err error) {
	dims, head, n, err := idxHeader(in, rank)
	if err != nil {
		return nil, nil, err
	}
	bytes, err = readRest(in, head, n)
	return dims, bytes, err
}

// idxHeader reads up to the first element: head bytes, before n elements.
func idxHeader(in *input, rank int) (dims []int, head, n int64, err error) {
	header := make([]byte, 4+4*rank)
	if n, err := io.ReadFull(in, header); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, 0, 0, fmt.Errorf("%w: the header has %d, %d found", ErrSize, len(header), n)
	} else if err != nil {
		return nil, 0, 0, err
	}
	if want := [4]byte{0, 0, 8, byte(rank)}; [4]byte(header) != want {
		return nil, 0, 0, fmt.Errorf("%w: IDX magic is % x, expected % x", ErrFormat, header[:4], want)
	}
	n = 1
	for i := range rank {
		d := int64(binary.BigEndian.Uint32(header[4+4*i:]))
		if d == 0 || n > maxElements/d {
			return nil, 0, 0, fmt.Errorf("%w: dimension %d is %d", ErrShape, i, d)
		}
		dims, n = append(dims, int(d)), n*d
	}
	return dims, int64(len(header)), n, nil
}
