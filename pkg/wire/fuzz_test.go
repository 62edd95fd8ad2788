package wire_test

import (
	"bytes"
	"io"
	"testing"

	"odepipe/pkg/tensor"
	"odepipe/pkg/wire"
)

// What a reader accepts, a writer writes, and the reader reads again as the same.

func FuzzSampleReader(f *testing.F) {
	f.Add(sampleStream(f, 0))
	f.Add(sampleStream(f, 3))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := wire.NewSampleReader(bytes.NewReader(b), wire.Limits{})
		h, columns, err := r.Header()
		if err != nil {
			return
		}
		var out bytes.Buffer
		w := wire.NewSampleWriter(&out, h)
		check(t, w.Start(columns))
		var s wire.Samples
		for err = r.Next(&s); err == nil; err = r.Next(&s) {
			check(t, w.Write(&s))
		}
		if err != io.EOF {
			return
		}
		check(t, w.Close())
		wants(t, readSamples(&out, wire.Limits{}), io.EOF)
	})
}

func FuzzTensorReader(f *testing.F) {
	f.Add(tensorStream(f, 0, tensor.Float32))
	f.Add(tensorStream(f, 3, tensor.Float32))
	f.Add(tensorStream(f, 3, tensor.Float64))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := wire.NewTensorReader(bytes.NewReader(b), wire.Limits{})
		h, d, err := r.Header()
		if err != nil {
			return
		}
		var out bytes.Buffer
		w := wire.NewTensorWriter(&out, h, d)
		var sets []*wire.Set
		var s wire.Set
		for err = r.Next(&s); err == nil; err = r.Next(&s) {
			sets = append(sets, s.Clone())
			check(t, w.Write(&s))
		}
		if err != io.EOF {
			return
		}
		check(t, w.Close())
		again := wire.NewTensorReader(&out, wire.Limits{})
		for _, want := range sets {
			check(t, again.Next(&s))
			sameSet(t, &s, want)
		}
		wants(t, again.Next(&s), io.EOF)
	})
}

func FuzzCheckpoint(f *testing.F) {
	f.Add(encoded(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := wire.DecodeCheckpoint(bytes.NewReader(b), int64(len(b)), wire.Limits{})
		if err != nil {
			return
		}
		var out bytes.Buffer
		check(t, c.Encode(&out))
		again, err := wire.DecodeCheckpoint(bytes.NewReader(out.Bytes()), int64(out.Len()), wire.Limits{})
		check(t, err)
		sameSet(t, &again.Set, &c.Set)
	})
}
