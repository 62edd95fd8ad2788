package dataset

import (
	"fmt"
	"slices"

	"odepipe/pkg/tensor"
)

// loadSVHN reads a split of the cropped house numbers (Netzer et al., "Reading digits in natural images with
// unsupervised feature learning", 2011): x [3, 32, 32], normalised as the paper normalises all pictures, y a digit.
func loadSVHN(request Request) (*Set, error) {
	path, err := find(request.Folder, request.Split+"_32x32.mat", "svhn", "svhn-extra", ".")
	if err != nil {
		return nil, err
	}
	var pixels []byte
	var y []int32
	err = read(path, func(in *input) error {
		arrays, err := decodeMAT(in, "X", "y")
		if err != nil {
			return err
		}
		if y, err = svhnDigits(arrays["y"]); err != nil {
			return err
		}
		pixels, err = svhnPixels(arrays["X"], len(y))
		return err
	})
	if err != nil {
		return nil, err
	}
	return &Set{Rows: len(y), Columns: []Column{
		{Name: "x", Shape: tensor.Of(3, 32, 32), Pixels: inMemory(pixels, 3*32*32), Levels: levels(mnistMean, mnistStd)},
		{Name: "y", Ints: y},
	}}, nil
}

// svhnDigits are the labels 1 to 10 as digits, 10 being that of 0.
func svhnDigits(labels *array) ([]int32, error) {
	y := make([]int32, labels.size())
	for i, v := range labels.float64s() {
		if !(v >= 1 && v <= 10) || v != float64(int32(v)) {
			return nil, fmt.Errorf("%w: row %d: %v is not in 1 to 10", ErrLabel, i, v)
		}
		y[i] = int32(v) % 10
	}
	return y, nil
}

// svhnPixels are the pictures [N, 3, width, height] as [N, 3, height, width], in the same memory. The shape of a single
// picture has no N.
func svhnPixels(x *array, rows int) ([]byte, error) {
	shape := x.shape
	if len(shape) == 3 {
		shape = append([]int{1}, shape...)
	}
	if rows == 0 || x.bytes == nil || !slices.Equal(shape, []int{rows, 3, 32, 32}) {
		return nil, fmt.Errorf("%w: X is %v in row-major order; it must be bytes [N 3 32 32], N as many as the %d of y", ErrShape, shape, rows)
	}
	const side = 32
	for plane := range slices.Chunk(x.bytes, side*side) {
		for i := range side {
			for j := range i {
				plane[i*side+j], plane[j*side+i] = plane[j*side+i], plane[i*side+j]
			}
		}
	}
	return x.bytes, nil
}
