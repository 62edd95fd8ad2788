package wire_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"odepipe/pkg/tensor"
	"odepipe/pkg/wire"
)

// checkpointFile is the bytes of a checkpoint.
func checkpointFile(t *testing.T) []byte {
	var out bytes.Buffer
	check(t, checkpoint().Encode(&out))
	return out.Bytes()
}

// toEnd reads what OpenStream has opened.
func toEnd(s *wire.Stream) (batches int, err error) {
	for {
		switch {
		case s.Samples != nil:
			err = s.Samples.Next(&wire.Samples{})
		case s.Tensors != nil:
			err = s.Tensors.Next(&wire.Set{})
		default:
			err = s.Trace.Next(&wire.TraceBatch{})
		}
		if err != nil {
			return batches, err
		}
		batches++
	}
}

func TestStreamOfAnyKindOpens(t *testing.T) {
	for name, c := range map[string]struct {
		data    []byte
		batches int
		file    bool
	}{
		"samples":    {sampleStream(t, 3), 3, false},
		"tensors":    {tensorStream(t, 2, tensor.Float32), 2, false},
		"attempts":   {traceStream(t), len(traced), false},
		"checkpoint": {checkpointFile(t), 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "stream")
			check(t, os.WriteFile(path, c.data, 0o666))
			f, err := os.Open(path)
			check(t, err)
			defer f.Close()
			for source, r := range map[string]io.Reader{"from memory": bytes.NewReader(c.data), "from a regular file": f} {
				s, err := wire.OpenStream(r, wire.Limits{})
				check(t, err)
				if s.File != c.file {
					t.Errorf("%s: file is %v", source, s.File)
				}
				n, err := toEnd(s)
				wants(t, err, io.EOF)
				if n != c.batches {
					t.Errorf("%s: %d batches, want %d", source, n, c.batches)
				}
			}
			for _, n := range []int{0, 5, len(c.data) / 2, len(c.data) - 1} {
				s, err := wire.OpenStream(bytes.NewReader(c.data[:n]), wire.Limits{})
				if err == nil {
					_, err = toEnd(s)
				}
				if err == nil || err == io.EOF {
					t.Errorf("the first %d of %d bytes pass for the whole", n, len(c.data))
				}
			}
		})
	}
}
