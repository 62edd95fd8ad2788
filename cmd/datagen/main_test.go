package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"odepipe/pkg/cli"
	"odepipe/pkg/cli/clitest"
	"odepipe/pkg/dataset"
	"odepipe/pkg/wire"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"datagen": main, "show": show})
}

func TestTranscripts(t *testing.T) { clitest.Scripts(t, small) }

func TestManual(t *testing.T) { clitest.Manual(t, "datagen.1", "datagen") }

// small puts a data set of 20 digits of 3 classes into the script's folder.
func small(env *testscript.Env) error {
	folder := filepath.Join(env.WorkDir, "data", "mnist")
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return err
	}
	const rows = 20
	images := binary.BigEndian.AppendUint32([]byte{0, 0, 8, 3}, rows)
	images = append(images, 0, 0, 0, 28, 0, 0, 0, 28)
	labels := binary.BigEndian.AppendUint32([]byte{0, 0, 8, 1}, rows)
	for i := range rows {
		labels = append(labels, byte(i%3))
		for range 28 * 28 {
			images = append(images, byte(i))
		}
	}
	if err := os.WriteFile(filepath.Join(folder, "train-images-idx3-ubyte"), images, 0o666); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "train-labels-idx1-ubyte"), labels, 0o666)
}

// show prints a sample stream: its header, its columns, then a line for each row with at most three elements of a tensor.
func show() {
	r := wire.NewSampleReader(os.Stdin, wire.Limits{})
	header, columns, err := r.Header()
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(header.Kind, header.Dataset, header.Split)
	for _, c := range columns {
		if c.Type == wire.Values {
			fmt.Println(c.Name, c.Shape, c.DType)
		} else {
			fmt.Println(c.Name, []string{wire.Int64: "int64", wire.Int32: "int32"}[c.Type])
		}
	}
	for {
		var s wire.Samples
		if err := r.Next(&s); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		for i := range s.Rows {
			showRow(&s, i)
		}
	}
}

func showRow(s *wire.Samples, i int) {
	for _, c := range s.Columns {
		switch c.Type {
		case wire.Int64:
			fmt.Print(c.I64[i], " ")
		case wire.Int32:
			fmt.Print(c.I32[i], " ")
		default:
			size := c.Value.Len() / s.Rows
			for j := range min(size, 3) {
				fmt.Printf("%.6g ", c.Value.At(i*size+j))
			}
		}
	}
	fmt.Println()
}

// BenchmarkStream is what datagen itself costs: MNIST's shapes, written to nowhere.
func BenchmarkStream(b *testing.B) {
	c := &cli.Context{}
	set, err := dataset.Load("mnist", dataset.Request{Folder: "../../../shared/data", Split: "test"})
	if err != nil {
		b.Skip("the original files are not in ../shared/data")
	}
	order := dataset.NewOrder(dataset.Plan{Rows: set.Rows, Batch: 128, Shuffle: true})
	b.SetBytes(128 * 28 * 28 * 4)
	b.ResetTimer()
	if err := stream(c, io.Discard, &source{set: set, order: order}, 0, int64(b.N)); err != nil {
		b.Fatal(err)
	}
}
