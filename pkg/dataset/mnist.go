package dataset

import (
	"fmt"

	"odepipe/pkg/tensor"
)

// Mean and standard deviation of MNIST's training pixels, on the scale 0 to 1.
const (
	mnistMean = 0.1307
	mnistStd  = 0.3081
)

// mnistFolders are where the four files may lie below the data folder; the last is torchvision's place.
var mnistFolders = []string{"mnist", ".", "MNIST/raw"}

// loadMNIST reads a split of MNIST: x [1, 28, 28] normalised, y a digit.
func loadMNIST(request Request) (*Set, error) {
	prefix := "train"
	if request.Split == Test {
		prefix = "t10k"
	}
	imagesPath, err := find(request.Folder, prefix+"-images-idx3-ubyte", mnistFolders...)
	if err != nil {
		return nil, err
	}
	labelsPath, err := find(request.Folder, prefix+"-labels-idx1-ubyte", mnistFolders...)
	if err != nil {
		return nil, err
	}
	pixels, err := readDigits(imagesPath)
	if err != nil {
		return nil, err
	}
	y, err := readLabels(labelsPath, 10)
	if err != nil {
		return nil, err
	}
	if rows := pixels.rows(); rows != len(y) {
		return nil, fmt.Errorf("%w: %s has %d images, %s has %d labels", ErrShape, imagesPath, rows, labelsPath, len(y))
	}
	return &Set{Rows: len(y), Columns: []Column{
		{Name: "x", Shape: tensor.Of(1, 28, 28), Pixels: pixels, Levels: levels(mnistMean, mnistStd)},
		{Name: "y", Ints: y},
	}}, nil
}

// readDigits reads an IDX file of images [28, 28].
func readDigits(path string) (*Pixels, error) {
	var digits *Pixels
	err := read(path, func(in *input) error {
		dims, head, n, err := idxHeader(in, 3)
		if err != nil {
			return err
		}
		digits, err = pixels(in, head, n, 28*28)
		if err == nil && (dims[1] != 28 || dims[2] != 28) {
			err = fmt.Errorf("%w: images are %d x %d, expected 28 x 28", ErrShape, dims[1], dims[2])
		}
		return err
	})
	return digits, err
}

// readLabels reads an IDX file of labels 0 to classes-1.
func readLabels(path string, classes int) ([]int32, error) {
	var y []int32
	err := read(path, func(in *input) error {
		_, bytes, err := decodeIDX(in, 1)
		if err != nil {
			return err
		}
		y = make([]int32, len(bytes))
		for i, b := range bytes {
			if int(b) >= classes {
				return fmt.Errorf("%w: row %d: %d is not in 0 to %d", ErrLabel, i, b, classes-1)
			}
			y[i] = int32(b)
		}
		return nil
	})
	return y, err
}
