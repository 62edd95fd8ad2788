package pipeline_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"odepipe/pkg/pipeline"
	"odepipe/pkg/wire"
)

// closable is an output that is kept.
type closable struct{ bytes.Buffer }

func (*closable) Close() error { return nil }

// reading is a stage and the whole stream of three mini-batches that it reads. run gives it another one instead; it returns
// what the stage wrote and its error.
type reading struct {
	name   string
	stream []byte
	run    func([]byte) ([]byte, error)
}

// early tells whether the stage failed and had said before that its output was whole. That is right for one error alone: what
// follows the last parameters that were needed is read when the output has been closed.
func (r *reading) early(out []byte, err error) bool {
	return err != nil && !strings.HasPrefix(err.Error(), "end of the parameter stream: ") && proven(out)
}

// readings are all stages with what real ones wrote for them.
func readings(t *testing.T) []reading {
	t.Helper()
	dir := t.TempDir()
	_, path := hostileCheckpoint(t, nil)
	fresh, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	open := func(path string) wire.ParamSource {
		p, err := wire.OpenParams(path, wire.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	forward := func(params string, in []byte) ([]byte, error) {
		var out closable
		p := open(params)
		defer p.Close()
		err := pipeline.Forward(p, bytes.NewReader(in), &out, pipeline.ForwardOptions{Backend: onRef})
		return out.Bytes(), err
	}
	backward := func(in []byte) ([]byte, error) {
		var out closable
		p := open(path)
		defer p.Close()
		err := pipeline.Backward(p, bytes.NewReader(in), &out, pipeline.BackwardOptions{Backend: onRef, Sampling: pipeline.Sampling{Step: 0.1, Terminal: pipeline.GradientVector}})
		return out.Bytes(), err
	}
	train := func(in []byte) ([]byte, error) {
		own := filepath.Join(dir, "ck.arrow")
		if err := os.WriteFile(own, fresh, 0o666); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		err := pipeline.Train(context.Background(), own, bytes.NewReader(in), &out, pipeline.TrainOptions{Backend: onRef, Every: 100})
		if now, _ := os.ReadFile(own); err != nil && !bytes.Equal(now, fresh) {
			t.Errorf("kfacstep failed and changed the checkpoint: %v", err)
		}
		return out.Bytes(), err
	}
	var b bytes.Buffer
	w := wire.NewSampleWriter(&b, wire.Header{Kind: wire.Batch, Dataset: "d"})
	for k := range int64(3) {
		err := w.Write(&wire.Samples{Rows: 2, Columns: []wire.Column{{Name: "step", Type: wire.Int64, I64: []int64{k, k}}, numbers("x", []int{2}, 1, 2, 3, float64(k)), wholes("y", 0, 1)}})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	whole := func(out []byte, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Clone(out)
	}
	batch := b.Bytes()
	state := whole(forward(path, batch))
	gradient := whole(backward(state))
	params := whole(train(gradient))
	return []reading{
		{"odeforward", batch, func(in []byte) ([]byte, error) { return forward(path, in) }},
		{"odebackward", state, backward},
		{"kfacstep", gradient, train},
		{"odeforward --params", params, func(in []byte) ([]byte, error) {
			other := filepath.Join(dir, "params.arrow")
			if err := os.WriteFile(other, in, 0o666); err != nil {
				t.Fatal(err)
			}
			return forward(other, batch)
		}},
		{"evalmodel", state, func(in []byte) ([]byte, error) {
			_, err := pipeline.Evaluate(bytes.NewReader(in), pipeline.EvaluateOptions{})
			return nil, err
		}},
	}
}

// TestEveryCutOfAStreamIsAnError cuts the input of every stage after each of its bytes, the last one excepted; where it is not
// to take long, after every 17th, which meets every offset from a multiple of 8.
func TestEveryCutOfAStreamIsAnError(t *testing.T) {
	stride := 17
	if long() {
		stride = 1
	}
	for _, r := range readings(t) {
		t.Run(r.name, func(t *testing.T) {
			for n := 0; n < len(r.stream); n += stride {
				out, err := r.run(r.stream[:n])
				if err == nil || r.early(out, err) {
					t.Fatalf("after %d of %d bytes: error %v, output whole: %v", n, len(r.stream), err, proven(out))
				}
			}
			if _, err := r.run(r.stream); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestMutatedStreams flips, cuts, splices and repeats bytes of what every stage reads. It ends in an error, and an output
// that no reader takes for whole, or in a whole output.
func TestMutatedStreams(t *testing.T) {
	cases := 400
	if long() {
		cases = 25000
	}
	for _, r := range readings(t) {
		t.Run(r.name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, 2))
			accepted := 0
			for k := range cases {
				in, how := mutated(r.stream, rng)
				out, err := r.run(in)
				if err == nil {
					accepted++
				}
				if r.early(out, err) || err == nil && out != nil && !proven(out) {
					t.Fatalf("case %d, %s: error %v, output whole: %v", k, how, err, proven(out))
				}
			}
			t.Logf("%d cases, %d accepted", cases, accepted)
		})
	}
}

// mutated changes a copy of a stream in up to three places.
func mutated(stream []byte, rng *rand.Rand) (b []byte, how string) {
	b = bytes.Clone(stream)
	for range 1 + rng.IntN(3) {
		at := rng.IntN(len(b))
		n := min(1+rng.IntN(64), len(b)-at)
		switch rng.IntN(5) {
		case 0:
			b[at] ^= 1 << rng.IntN(8)
			how += fmt.Sprintf("bit at %d; ", at)
		case 1:
			for i := range b[at : at+n] {
				b[at+i] = byte(rng.Uint32())
			}
			how += fmt.Sprintf("%d bytes at %d; ", n, at)
		case 2:
			if n < len(b) {
				b = append(b[:at], b[at+n:]...)
			}
			how += fmt.Sprintf("%d bytes less at %d; ", n, at)
		case 3:
			from := rng.IntN(len(stream) - 1)
			copy(b[at:at+n], stream[from:])
			how += fmt.Sprintf("%d bytes of %d at %d; ", n, from, at)
		default:
			b = append(b[:at+n:at+n], b[at:]...)
			how += fmt.Sprintf("%d bytes twice at %d; ", n, at)
		}
	}
	return b, how
}

// proven tells whether output is a stream with its end marker, of any table.
func proven(out []byte) bool {
	samples := wire.NewSampleReader(bytes.NewReader(out), wire.Limits{})
	var s wire.Samples
	err := samples.Next(&s)
	for err == nil {
		err = samples.Next(&s)
	}
	if err == io.EOF {
		return true
	}
	tensors := wire.NewTensorReader(bytes.NewReader(out), wire.Limits{})
	var set wire.Set
	for err = tensors.Next(&set); err == nil; err = tensors.Next(&set) {
	}
	return err == io.EOF
}
