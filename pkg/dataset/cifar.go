package dataset

import (
	"fmt"
	"slices"

	"odepipe/pkg/tensor"
)

// The shape of CIFAR-10's binary version: a row is a byte of label and three planes, red, green and blue, of 32 x 32
// pixels row by row; every file has as many rows.
const (
	cifarPixels  = 3 * 32 * 32
	cifarRow     = 1 + cifarPixels
	cifarClasses = 10
	cifarFile    = 10_000
)

// cifarSplits are the files of each split, in the order of its rows.
var cifarSplits = map[string][]string{
	Train: {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"},
	Test:  {"test_batch.bin"},
}

// cifarFolders are where the files may lie below the data folder; the last is the name in the published archive.
var cifarFolders = []string{"cifar10", ".", "cifar-10-batches-bin"}

// loadCIFAR10 reads a split of CIFAR-10: x [3, 32, 32], y 0 to 9. The paper normalises all three channels with MNIST's
// constants.
func loadCIFAR10(request Request) (*Set, error) {
	var pixels []byte
	var y []int32
	names := cifarSplits[request.Split]
	for _, name := range names {
		path, err := find(request.Folder, name, cifarFolders...)
		if err != nil {
			return nil, err
		}
		if pixels == nil {
			pixels = make([]byte, 0, len(names)*cifarFile*cifarPixels)
		}
		err = read(path, func(in *input) (err error) {
			pixels, y, err = decodeCIFAR(in, cifarFile, pixels, y)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return &Set{Rows: len(y), Columns: []Column{
		{Name: "x", Shape: tensor.Of(3, 32, 32), Pixels: pixels, Levels: levels(mnistMean, mnistStd)},
		{Name: "y", Ints: y},
	}}, nil
}

// decodeCIFAR reads a file of so many rows and appends its pixels [rows, 3, 32, 32] and labels [rows].
//
// It returns ErrSize for another number of bytes, and ErrLabel, with the row, for a label that is no class.
func decodeCIFAR(in *input, rows int, pixels []byte, labels []int32) ([]byte, []int32, error) {
	raw, err := readRest(in, 0, int64(rows)*cifarRow)
	if err != nil {
		return pixels, labels, err
	}
	labels = slices.Grow(labels, rows)
	for i := range rows {
		row := raw[i*cifarRow : (i+1)*cifarRow]
		if row[0] >= cifarClasses {
			return pixels, labels, fmt.Errorf("%w: row %d: %d is not in 0 to %d", ErrLabel, i, row[0], cifarClasses-1)
		}
		labels = append(labels, int32(row[0]))
		pixels = append(pixels, row[1:]...)
	}
	return pixels, labels, nil
}
