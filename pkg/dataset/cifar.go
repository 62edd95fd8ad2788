package dataset

import (
	"archive/tar"
	"bufio"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
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

// cifarFolders are where the files or the published archive may lie below the data folder; the last is the name in the
// archive.
var cifarFolders = []string{"cifar10", ".", "cifar-10-batches-bin"}

const cifarArchive = "cifar-10-binary.tar.gz"

// loadCIFAR10 reads a split of CIFAR-10: x [3, 32, 32], y 0 to 9. The paper normalises all three channels with MNIST's
// constants. The archive is read where the first file of the split is not there.
func loadCIFAR10(request Request) (*Set, error) {
	names := cifarSplits[request.Split]
	first, err := locate(request.Folder, []string{names[0], names[0] + ".gz", cifarArchive}, cifarFolders...)
	if err != nil {
		return nil, err
	}
	x, y := &Pixels{size: cifarPixels}, make([]int32, len(names)*cifarFile)
	decode := func(k int, in *input) error {
		lo, hi := k*cifarFile, (k+1)*cifarFile
		if in.path != "" {
			if err := decodeCIFAR(in, nil, y[lo:hi]); err != nil {
				return err
			}
			return x.append(in, 1, cifarRow, cifarFile)
		}
		if x.bytes == nil {
			x.bytes = make([]byte, len(names)*cifarFile*cifarPixels)
		}
		return decodeCIFAR(in, x.bytes[lo*cifarPixels:hi*cifarPixels], y[lo:hi])
	}
	if filepath.Base(first) == cifarArchive {
		err = readArchive(first, names, decode)
	} else {
		err = readEach(request.Folder, names, decode)
	}
	if err != nil {
		return nil, err
	}
	return &Set{Rows: len(y), Columns: []Column{
		{Name: "x", Shape: tensor.Of(3, 32, 32), Pixels: x, Levels: levels(mnistMean, mnistStd)},
		{Name: "y", Ints: y},
	}}, nil
}

// readEach has decode read each of the files, of which k counts.
func readEach(root string, names []string, decode func(k int, in *input) error) error {
	for k, name := range names {
		file, err := find(root, name, cifarFolders...)
		if err != nil {
			return err
		}
		if err := read(file, func(in *input) error { return decode(k, in) }); err != nil {
			return err
		}
	}
	return nil
}

// readArchive has decode read the files of these names in a .tar.gz, whatever their folder and order there.
func readArchive(file string, names []string, decode func(k int, in *input) error) error {
	found := make([]bool, len(names))
	return read(file, func(in *input) error {
		archive := tar.NewReader(in)
		for {
			header, err := archive.Next()
			switch {
			case errors.Is(err, io.EOF):
				if k := slices.Index(found, false); k >= 0 {
					return fmt.Errorf("%w: no %s in it", ErrMissing, names[k])
				}
				_, err := io.Copy(io.Discard, in) // up to gzip's checksum
				return err
			case errors.Is(err, io.ErrUnexpectedEOF):
				return fmt.Errorf("%w: the archive is cut", ErrSize)
			case err != nil:
				return fmt.Errorf("%w: %v", ErrFormat, err)
			}
			k := slices.Index(names, path.Base(header.Name))
			if k < 0 || header.Typeflag != tar.TypeReg {
				continue
			}
			if err := decode(k, &input{Reader: bufio.NewReader(archive)}); err != nil {
				return fmt.Errorf("%s: %w", header.Name, err)
			}
			found[k] = true
		}
	})
}

// decodeCIFAR reads a file of as many rows as labels [rows] has, and overwrites these and, unless it is nil, the pixels
// [rows, 3, 32, 32].
//
// It returns ErrSize for another number of bytes, and ErrLabel, with the row, for a label that is no class.
func decodeCIFAR(in *input, pixels []byte, labels []int32) error {
	row, size := make([]byte, cifarRow), int64(len(labels))*cifarRow
	for i := range labels {
		if n, err := io.ReadFull(in, row); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return wrongSize(size, int64(i)*cifarRow+int64(n))
		} else if err != nil {
			return err
		}
		if row[0] >= cifarClasses {
			return fmt.Errorf("%w: row %d: %d is not in 0 to %d", ErrLabel, i, row[0], cifarClasses-1)
		}
		labels[i] = int32(row[0])
		if pixels != nil {
			copy(pixels[i*cifarPixels:], row[1:])
		}
	}
	_, err := readRest(in, size, 0)
	return err
}
