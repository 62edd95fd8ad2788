package wire_test

import (
	"errors"
	"io"
	"os"
	"testing"

	"odepipe/pkg/tensor"
	"odepipe/pkg/wire"
)

// A mini-batch of 480 images of 28 x 28 as float32, 1.5 MB, through a pipe.
func BenchmarkSamples(b *testing.B) {
	const rows, size = 480, 28 * 28
	s := &wire.Samples{Rows: rows, Columns: []wire.Column{
		{Name: "index", Type: wire.Int64, I64: make([]int64, rows)},
		{Name: "x", Type: wire.Values, Shape: []int{1, 28, 28}, Value: ramp(tensor.Float32, rows*size, 0)},
		{Name: "y", Type: wire.Int32, I32: make([]int32, rows)},
	}}
	throughPipe(b, 4*rows*size, func(out io.Writer) error {
		w := wire.NewSampleWriter(out, batchHeader)
		for range b.N {
			if err := w.Write(s); err != nil {
				return err
			}
		}
		return w.Close()
	}, func(in io.Reader) error {
		r := wire.NewSampleReader(in, wire.Limits{})
		var s wire.Samples
		for {
			if err := r.Next(&s); err != nil {
				return err
			}
		}
	})
}

// The 208,010 parameters of the MNIST model in nine tensors, 0.83 MB, through a pipe, checksums included.
func BenchmarkTensors(b *testing.B) {
	s := &wire.Set{}
	for i, n := range []int{576, 64, 36928, 64, 36928, 64, 66944, 66434, 8} {
		s.Tensors = append(s.Tensors, wire.Tensor{
			Name: "layer" + string(rune('0'+i)) + ".weight", Role: wire.Param, Shape: []int{n}, Value: ramp(tensor.Float32, n, 0),
		})
	}
	throughPipe(b, 4*208010, func(out io.Writer) error {
		w := wire.NewTensorWriter(out, paramHeader, tensor.Float32)
		for range b.N {
			if err := w.Write(s); err != nil {
				return err
			}
		}
		return w.Close()
	}, func(in io.Reader) error {
		r := wire.NewTensorReader(in, wire.Limits{})
		var s wire.Set
		for {
			if err := r.Next(&s); err != nil {
				return err
			}
		}
	})
}

// throughPipe times b.N batches of some bytes from a writer to a reader.
func throughPipe(b *testing.B, bytes int64, write func(io.Writer) error, read func(io.Reader) error) {
	in, out, err := os.Pipe()
	check(b, err)
	b.SetBytes(bytes)
	b.ReportAllocs()
	b.ResetTimer()
	done := make(chan error, 1)
	go func() {
		err := write(out)
		done <- errors.Join(err, out.Close())
	}()
	if err := read(in); err != io.EOF {
		b.Fatal(err)
	}
	check(b, <-done)
	check(b, in.Close())
}
