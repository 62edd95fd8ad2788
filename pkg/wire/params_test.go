package wire_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"odepipe/pkg/tensor"
	"odepipe/pkg/wire"
)

// write makes a file in a fresh folder.
func write(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	check(t, os.WriteFile(path, content, 0o600))
	return path
}

// fifo makes a FIFO in a fresh folder.
func fifo(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skipf("no FIFOs here: %v", err)
	}
	return path
}

// within fails if f takes longer than a test may wait for what should not block.
func within(t *testing.T, f func() error) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		check(t, err)
	case <-time.After(20 * time.Second):
		t.Fatal("blocked")
	}
}

func TestCheckpointServesEveryBatch(t *testing.T) {
	p, err := wire.OpenParams(write(t, "ck.arrow", encoded(t)), wire.Limits{})
	check(t, err)
	h, d, err := p.Header()
	check(t, err)
	if !p.Fixed() || d != tensor.Float64 || h.Kind != wire.Params {
		t.Errorf("fixed %v, %s, kind %q", p.Fixed(), d, h.Kind)
	}
	for range 3 {
		s, err := p.Next()
		check(t, err)
		sameSet(t, s, &checkpoint().Set)
	}
	check(t, p.Close())
}

func TestStreamServesOneSetABatch(t *testing.T) {
	stream := tensorStream(t, 3, tensor.Float32)
	pipe := fifo(t, "params")
	for name, path := range map[string]string{"from a file": write(t, "params.arrow", stream), "from a FIFO": pipe} {
		t.Run(name, func(t *testing.T) {
			p, err := wire.OpenParams(path, wire.Limits{})
			check(t, err)
			if path == pipe {
				go os.WriteFile(path, stream, 0)
			}
			_, d, err := p.Header()
			check(t, err)
			if p.Fixed() || d != tensor.Float32 {
				t.Errorf("fixed %v, %s", p.Fixed(), d)
			}
			for k := range 3 {
				s, err := p.Next()
				check(t, err)
				sameSet(t, s, paramSet(k, tensor.Float32))
			}
			for range 2 {
				_, err = p.Next()
				wants(t, err, io.EOF)
			}
			if _, _, err = p.Header(); err != nil {
				t.Errorf("header after the end: %v", err)
			}
			check(t, p.Close())
		})
	}
}

func TestCheckpointThroughAPipe(t *testing.T) {
	path := fifo(t, "ck")
	p, err := wire.OpenParams(path, wire.Limits{})
	check(t, err)
	content := encoded(t)
	go os.WriteFile(path, content, 0)
	_, _, err = p.Header()
	check(t, err)
	if !p.Fixed() {
		t.Error("not fixed")
	}
	for range 2 {
		s, err := p.Next()
		check(t, err)
		sameSet(t, s, &checkpoint().Set)
	}
	check(t, p.Close())
}

// One writer feeds two FIFOs in turn, as tee does; the reader takes all of the second before any of the first. Without
// reading on the side, the first would be full before the second has its sets.
func TestNoOrderOfReadsBlocks(t *testing.T) {
	const sets = 20
	paths := []string{fifo(t, "forward"), fifo(t, "backward")}
	big := &wire.Set{Tensors: []wire.Tensor{
		{Name: "w", Role: wire.Param, Shape: []int{40000}, Value: ramp(tensor.Float32, 40000, 0)},
	}}
	var sources []wire.ParamSource
	for _, path := range paths {
		p, err := wire.OpenParams(path, wire.Limits{})
		check(t, err)
		sources = append(sources, p)
	}
	go func() {
		var out []io.Writer
		for _, path := range paths {
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				return
			}
			defer f.Close()
			out = append(out, f)
		}
		w := wire.NewTensorWriter(io.MultiWriter(out...), paramHeader, tensor.Float32)
		for range sets {
			_ = w.Write(big)
		}
		_ = w.Close()
	}()
	within(t, func() error {
		for _, p := range []wire.ParamSource{sources[1], sources[0]} {
			for range sets {
				if _, err := p.Next(); err != nil {
					return err
				}
			}
			if _, err := p.Next(); err != io.EOF {
				return err
			}
		}
		return nil
	})
}

func TestBadParams(t *testing.T) {
	whole := tensorStream(t, 2, tensor.Float32)
	var gradients bytes.Buffer
	w := wire.NewTensorWriter(&gradients, wire.Header{Kind: wire.Gradient}, tensor.Float32)
	check(t, w.Close())
	for _, c := range []struct {
		name    string
		content []byte
		want    error
	}{
		{"empty", nil, wire.ErrEmpty},
		{"text", []byte("these are no parameters"), wire.ErrNotArrow},
		{"gradients", gradients.Bytes(), wire.ErrKind},
		{"samples", sampleStream(t, 1), wire.ErrKind},
		{"a cut checkpoint", encoded(t)[:900], wire.ErrTruncated},
		{"a cut stream", whole[:len(whole)-8], wire.ErrTruncated},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := write(t, "params", c.content)
			p, err := wire.OpenParams(path, wire.Limits{})
			check(t, err)
			for err == nil {
				_, err = p.Next()
			}
			wants(t, err, c.want)
			if !bytes.Contains([]byte(err.Error()), []byte(path)) {
				t.Errorf("error %q does not name the file", err)
			}
			check(t, p.Close())
		})
	}
	_, err := wire.OpenParams(filepath.Join(t.TempDir(), "none"), wire.Limits{})
	wants(t, err, os.ErrNotExist)
}

func TestCloseEndsWaiting(t *testing.T) {
	unopened, err := wire.OpenParams(fifo(t, "unopened"), wire.Limits{})
	check(t, err)
	path := fifo(t, "silent")
	silent, err := wire.OpenParams(path, wire.Limits{})
	check(t, err)
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	check(t, err)
	defer f.Close()
	for _, p := range []wire.ParamSource{unopened, silent} {
		within(t, p.Close)
		within(t, func() error {
			_, err := p.Next()
			wants(t, err, os.ErrClosed)
			return nil
		})
	}
}
