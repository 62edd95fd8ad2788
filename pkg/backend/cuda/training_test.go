package cuda_test

import (
	"bytes"
	"context"
	"errors"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"odepipe/pkg/backend"
	"odepipe/pkg/backend/cpu"
	"odepipe/pkg/backend/cuda"
	"odepipe/pkg/model"
	"odepipe/pkg/optim"
	"odepipe/pkg/pipeline"
	"odepipe/pkg/tensor"
	"odepipe/pkg/testkit"
	"odepipe/pkg/wire"
)

// The models that are trained: pictures through every kind of affine layer, a flow, and series.
const (
	pictures = `
name = "pictures"
input = [1, 6, 6]
loss = "cross_entropy"
[[block]]
type = "conv2d"
name = "lift"
in = 1
out = 3
kernel = 3
stride = 2
padding = 1
[[block]]
type = "ode"
name = "ode"
solver = { method = "dopri5", rtol = 1e-3, atol = 1e-3 }
field = [
  { type = "conv2d", name = "conv", in = 3, out = 4, kernel = 3, padding = 1, time = "concat" },
  { type = "softplus" },
  { type = "conv2d", name = "back", in = 4, out = 3, kernel = 1, time = "concat" },
]
[[block]]
type = "flatten"
[[block]]
type = "linear"
name = "head"
in = 27
out = 3
`
	flow = `
name = "flow"
input = [2]
loss = "nll"
[[block]]
type = "cnf"
name = "cnf"
divergence = "rademacher"
field = [
  { type = "concatsquash", name = "c1", in = 2, out = 8 },
  { type = "tanh" },
  { type = "concatsquash", name = "c2", in = 8, out = 2 },
]
`
	series = `
name = "series"
input = [6, 6]
loss = "cross_entropy"
[[block]]
type = "ode_rnn"
name = "rnn"
hidden = 4
field = [{ type = "linear", name = "f1", in = 4, out = 4 }, { type = "tanh" }]
[[block]]
type = "linear"
name = "head"
in = 4
out = 3
`
)

// stream is an output kept in memory.
type stream struct{ bytes.Buffer }

func (*stream) Close() error { return nil }

// run trains a model on one backend, stage by stage in this process.
type run struct {
	*testing.T
	make       func(tensor.DType) (backend.Backend, error)
	checkpoint string
}

func newRun(t *testing.T, text string, settings map[string]string, make func() backend.Backend) *run {
	spec, err := model.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	var s optim.Settings
	for name, value := range settings {
		if err := s.Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
	r := &run{T: t, make: func(tensor.DType) (backend.Backend, error) { return make(), nil }, checkpoint: filepath.Join(t.TempDir(), "ck.arrow")}
	c, err := pipeline.Init(spec, s, 3, "", r.make)
	if err != nil {
		t.Fatal(err)
	}
	r.check(c.Save(r.checkpoint))
	return r
}

func (r *run) check(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// step does an iteration and returns the states and the gradients, with factors on some steps.
func (r *run) step(number int64, shape []int) (*wire.Samples, *wire.Set) {
	r.Helper()
	states, gradients := r.gradients(number, shape, pipeline.Auto)
	var end wire.Samples
	r.check(wire.NewSampleReader(states, wire.Limits{}).Next(&end))
	var set wire.Set
	r.check(wire.NewTensorReader(bytes.NewReader(gradients.Bytes()), wire.Limits{}).Next(&set))
	r.check(pipeline.Train(context.Background(), r.checkpoint, gradients, nil, pipeline.TrainOptions{Backend: r.make, Every: 1}))
	return &end, set.Clone()
}

// gradients runs odeforward and odebackward, and returns what they wrote.
func (r *run) gradients(number int64, shape []int, mode pipeline.SecondOrder) (end *bytes.Reader, out *stream) {
	r.Helper()
	var batches, states, gradients stream
	w := wire.NewSampleWriter(&batches, wire.Header{Kind: wire.Batch})
	r.check(w.Write(miniBatch(number, shape)))
	r.check(w.Close())
	r.withParams(func(p wire.ParamSource) error {
		return pipeline.Forward(p, &batches, &states, pipeline.ForwardOptions{Backend: r.make, Divergence: pipeline.ModelDivergence})
	})
	end = bytes.NewReader(bytes.Clone(states.Bytes()))
	r.withParams(func(p wire.ParamSource) error {
		return pipeline.Backward(p, &states, &gradients, pipeline.BackwardOptions{Backend: r.make, SecondOrder: mode, Vectors: 1})
	})
	return end, &gradients
}

func (r *run) withParams(do func(wire.ParamSource) error) {
	r.Helper()
	params, err := wire.OpenParams(r.checkpoint, wire.Limits{})
	r.check(err)
	r.check(errors.Join(do(params), params.Close()))
}

// miniBatch is one of 21 samples with classes by the step's number.
func miniBatch(step int64, shape []int) *wire.Samples {
	const rows = 21
	b := &wire.Samples{Rows: rows}
	size := tensor.Of(shape...).Size()
	x := wire.Column{Name: "x", Type: wire.Values, Shape: shape, Value: tensor.Float32.Make(rows * size)}
	for i, v := range testkit.Normal(uint64(step), rows*size) {
		x.Value.Set(i, v)
	}
	steps, classes := wire.Column{Name: "step", Type: wire.Int64}, wire.Column{Name: "y", Type: wire.Int32}
	for i := range rows {
		steps.I64 = append(steps.I64, step)
		classes.I32 = append(classes.I32, int32(i%3))
	}
	b.Columns = []wire.Column{steps, x, classes}
	if len(shape) == 1 {
		b.Columns = b.Columns[:2]
	}
	return b
}

// near compares numbers relative to the largest of them.
func near(t *testing.T, what string, got, want tensor.Buffer) {
	t.Helper()
	a, b, scale := make([]float64, got.Len()), make([]float64, want.Len()), 1e-6
	for i := range a {
		a[i] = got.At(i)
	}
	for i := range b {
		b[i] = want.At(i)
		scale = max(scale, math.Abs(b[i]))
	}
	testkit.Close(t, what, a, b, 1e-4*scale, 0)
}

// sameSet compares the tensors of two sets.
func sameSet(t *testing.T, got, want *wire.Set) {
	t.Helper()
	if len(got.Tensors) != len(want.Tensors) {
		t.Fatalf("%d tensors, not %d", len(got.Tensors), len(want.Tensors))
	}
	for i, w := range want.Tensors {
		g := got.Tensors[i]
		if g.Name != w.Name || g.Role != w.Role {
			t.Fatalf("%s %s, not %s %s", g.Role, g.Name, w.Role, w.Name)
		}
		near(t, string(w.Role)+" "+w.Name, g.Value, w.Value)
	}
}

func TestTenStepsAgreeWithTheProcessor(t *testing.T) {
	// Not ekfac: a basis of eigenvectors whose eigenvalues are nearly equal is decided by rounding.
	snopt := map[string]string{"optimizer": "snopt", "lr": "0.03", "freq": "4", "preconditioner": "kfac", "factor-step": "0.1"}
	stages := map[string]string{"optimizer": "snopt", "lr": "0.03", "freq": "4", "preconditioner": "kfac", "factors": "stages"}
	cases := []struct {
		name, model string
		shape       []int
		settings    map[string]string
	}{
		{"pictures", pictures, []int{1, 6, 6}, snopt},
		{"pictures, factors at the stages", pictures, []int{1, 6, 6}, stages},
		{"pictures, Adam", pictures, []int{1, 6, 6}, map[string]string{"optimizer": "adam"}},
		{"a flow", flow, []int{2}, snopt},
		{"series, Adam", series, []int{6, 6}, map[string]string{"optimizer": "adam"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			cuda.NewDevice(t) // skips before work is done
			device := newRun(t, c.model, c.settings, func() backend.Backend { return cuda.NewDevice(t) })
			processor := newRun(t, c.model, c.settings, func() backend.Backend { return cpu.New(2) })
			for step := range int64(10) {
				states, gradients := device.step(step, c.shape)
				wantStates, wantGradients := processor.step(step, c.shape)
				for i, column := range wantStates.Columns {
					if column.Type == wire.Values {
						near(t, column.Name, states.Columns[i].Value, column.Value)
					}
				}
				sameSet(t, gradients, wantGradients)
				if t.Failed() {
					t.Fatalf("from step %d on", step)
				}
			}
			got, err := wire.ReadCheckpoint(device.checkpoint, wire.Limits{})
			device.check(err)
			want, err := wire.ReadCheckpoint(processor.checkpoint, wire.Limits{})
			device.check(err)
			for i, w := range want.Tensors {
				if w.Role == wire.Param {
					near(t, w.Name, got.Tensors[i].Value, w.Value)
				}
			}
		})
	}
}

func TestWaysToSolveAgreeWithTheProcessor(t *testing.T) {
	const solver = `solver = { method = "dopri5", rtol = 1e-3, atol = 1e-3 }`
	cases := []struct {
		name, solver string // instead of the model's
		mode         pipeline.SecondOrder
	}{
		{"factors of low rank and rows p", solver, pipeline.LowRank},
		{"Theorem 1", solver, pipeline.Theorem1},
		{"the adjoint of the adjoint", solver, pipeline.Recursive},
		{"steps of each sample's own", `solver = { method = "tsit5", control = "sample" }`, pipeline.None},
		{"an implicit method", `solver = { method = "kvaerno5", rtol = 1e-3, atol = 1e-3 }`, pipeline.None},
		{"many stages, interpolated", `solver = { method = "dopri8" }` + "\n" + `adjoint = { method = "interpolated" }`, pipeline.None},
		{"steps of one size, checkpointed", `solver = { method = "rk4", step_size = 0.1 }` + "\n" + `adjoint = { method = "checkpointed", memory = 2 }`, pipeline.None},
		{"costs of the path", solver + "\nkinetic = 0.1\njacobian = 0.1", pipeline.None},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			cuda.NewDevice(t)
			text := strings.Replace(pictures, solver, c.solver, 1)
			var sets [2]wire.Set
			for i, make := range []func() backend.Backend{func() backend.Backend { return cuda.NewDevice(t) }, func() backend.Backend { return cpu.New(2) }} {
				r := newRun(t, text, map[string]string{"optimizer": "adam"}, make)
				_, gradients := r.gradients(0, []int{1, 6, 6}, c.mode)
				r.check(wire.NewTensorReader(gradients, wire.Limits{}).Next(&sets[i]))
			}
			sameSet(t, &sets[0], &sets[1])
		})
	}
}
