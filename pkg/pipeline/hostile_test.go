package pipeline_test

import (
	"bytes"
	"context"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"odepipe/pkg/backend"
	"odepipe/pkg/backend/ref"
	"odepipe/pkg/model"
	"odepipe/pkg/optim"
	"odepipe/pkg/pipeline"
	"odepipe/pkg/tensor"
	"odepipe/pkg/wire"
)

const hostileModel = `
name = "small"
dtype = "float64"
input = [2]
loss = "cross_entropy"
[[block]]
type = "ode"
name = "ode"
field = [ { type = "linear", name = "a", in = 2, out = 2 } ]
`

func onRef(tensor.DType) (backend.Backend, error) { return ref.New(), nil }

// discard is an output that nobody reads.
type discard struct{ io.Writer }

func (discard) Close() error { return nil }

// hostileCheckpoint makes the checkpoint of the model, changed, and returns it with its path.
func hostileCheckpoint(t *testing.T, change func(*wire.Checkpoint)) (*wire.Checkpoint, string) {
	t.Helper()
	spec, err := model.Parse(hostileModel)
	if err != nil {
		t.Fatal(err)
	}
	settings, err := optim.Parse("optimizer=sgd\n")
	if err != nil {
		t.Fatal(err)
	}
	c, err := pipeline.Init(spec, settings, 0, "", onRef)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(c)
	}
	path := filepath.Join(t.TempDir(), "ck.arrow")
	if err := c.Save(path); err != nil {
		t.Fatal(err)
	}
	return c, path
}

// samples is a well-formed stream of one mini-batch.
func samples(t *testing.T, h wire.Header, rows int, columns []wire.Column) io.Reader {
	t.Helper()
	var b bytes.Buffer
	w := wire.NewSampleWriter(&b, h)
	if err := w.Write(&wire.Samples{Rows: rows, Columns: columns}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

func numbers(name string, shape []int, v ...float64) wire.Column {
	return wire.Column{Name: name, Type: wire.Values, Shape: shape, DType: tensor.Float64, Value: tensor.Buffer{F64: v}}
}

func wholes(name string, v ...int32) wire.Column {
	return wire.Column{Name: name, Type: wire.Int32, I32: v}
}

// refused fails unless err says what.
func refused(t *testing.T, err error, what string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), what) {
		t.Errorf("got %v, expected %q", err, what)
	}
}

func TestStreamsWithOtherColumnsThanTheirStageNeeds(t *testing.T) {
	two := []int{2}
	x, y, x1 := numbers("x", two, 1, 2), wholes("y", 0), numbers("ode.x1", two, 1, 2)
	pred, loss := numbers("pred", two, 1, 2), numbers("loss", nil, 1)
	cases := map[string]struct {
		stage   string
		rows    int
		columns []wire.Column
		want    string
	}{
		"no columns":                       {"forward", 1, []wire.Column{y}, "there is no column x of values"},
		"x of whole numbers":               {"forward", 1, []wire.Column{wholes("x", 1), y}, "there is no column x of values"},
		"x of another shape":               {"forward", 1, []wire.Column{numbers("x", []int{1, 2}, 1, 2), y}, "column x has samples of shape [1, 2], the model expects [2]"},
		"x without a shape":                {"forward", 2, []wire.Column{numbers("x", nil, 1, 2), wholes("y", 0, 0)}, "column x has samples of shape [], the model expects [2]"},
		"no y":                             {"forward", 1, []wire.Column{x}, "needs a column y of int32 classes"},
		"y of values":                      {"forward", 1, []wire.Column{x, numbers("y", nil, 0)}, "needs a column y of int32 classes"},
		"y of long numbers":                {"forward", 1, []wire.Column{x, {Name: "y", Type: wire.Int64, I64: []int64{0}}}, "needs a column y of int32 classes"},
		"a class below 0":                  {"forward", 1, []wire.Column{x, wholes("y", -1)}, "row 0 has class -1"},
		"no samples":                       {"forward", 0, []wire.Column{numbers("x", two), wholes("y")}, "a mini-batch without samples"},
		"a column that is to be written":   {"forward", 1, []wire.Column{x, y, numbers("pred", nil, 1)}, `"pred" appears twice`},
		"NaN in x":                         {"forward", 1, []wire.Column{numbers("x", two, 1, math.NaN()), y}, "sample 0: state is not finite"},
		"states without x1":                {"backward", 1, []wire.Column{x, y}, "there is no column ode.x1 of values"},
		"x1 of whole numbers":              {"backward", 1, []wire.Column{x, y, wholes("ode.x1", 1)}, "there is no column ode.x1 of values"},
		"x1 of another shape":              {"backward", 1, []wire.Column{x, y, numbers("ode.x1", []int{2, 1}, 1, 2)}, "column ode.x1 has samples of shape [2, 1], the model expects [2]"},
		"states without x":                 {"backward", 1, []wire.Column{y, x1}, "there is no column x of values"},
		"states without y":                 {"backward", 1, []wire.Column{x, x1}, "needs a column y of int32 classes"},
		"states of no samples":             {"backward", 0, []wire.Column{numbers("x", two), wholes("y"), numbers("ode.x1", two)}, "a mini-batch without samples"},
		"NaN in x1":                        {"backward", 1, []wire.Column{x, y, numbers("ode.x1", two, math.NaN(), 0)}, "sample 0: the loss is NaN"},
		"predictions that are missing":     {"evaluate", 1, []wire.Column{y, loss}, "there is no column pred of values"},
		"predictions of another shape":     {"evaluate", 1, []wire.Column{y, loss, numbers("pred", []int{1}, 1)}, "column pred has samples of shape [1], the model expects [2]"},
		"losses of another shape":          {"evaluate", 1, []wire.Column{y, numbers("loss", []int{1}, 1), pred}, "column loss has samples of shape [1], the model expects []"},
		"a loss that is not finite":        {"evaluate", 1, []wire.Column{y, numbers("loss", nil, math.Inf(1)), pred}, "sample 0: the loss is +Inf"},
		"predictions without a true class": {"evaluate", 1, []wire.Column{loss, pred}, "needs a column y of int32 classes"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			ck, path := hostileCheckpoint(t, nil)
			h := wire.Header{Kind: wire.Batch, Dataset: "d"}
			if c.stage != "forward" {
				h = wire.Header{Kind: wire.State, Model: ck.Model, ModelSHA256: ck.ModelSHA256}
			}
			params, err := wire.OpenParams(path, wire.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			defer params.Close()
			in := samples(t, h, c.rows, c.columns)
			switch c.stage {
			case "forward":
				err = pipeline.Forward(params, in, discard{io.Discard}, pipeline.ForwardOptions{Backend: onRef})
			case "backward":
				err = pipeline.Backward(params, in, discard{io.Discard}, pipeline.BackwardOptions{Backend: onRef, Sampling: pipeline.Sampling{Step: 0.1, Terminal: pipeline.GradientVector}})
			default:
				_, err = pipeline.Evaluate(in, pipeline.EvaluateOptions{})
			}
			refused(t, err, c.want)
		})
	}
}

func TestCheckpointsThatContradictThemselves(t *testing.T) {
	scalar := func(name string, value float64) func(*wire.Checkpoint) {
		return func(c *wire.Checkpoint) { c.Find(wire.Scalar, name).Value.Set(0, value) }
	}
	cases := map[string]struct {
		change func(*wire.Checkpoint)
		want   string
	}{
		"an interval of length 0":    {scalar("ode.t1", 0), "block ode cannot end at t1 = 0 with t0 = 0"},
		"an end that is NaN":         {scalar("ode.t1", math.NaN()), "block ode cannot end at t1 = NaN"},
		"an end that is infinite":    {scalar("ode.t1", math.Inf(-1)), "block ode cannot end at t1 = -Inf"},
		"a parameter too few":        {func(c *wire.Checkpoint) { c.Tensors = c.Tensors[1:] }, "param ode.a.weight is missing"},
		"a parameter of other shape": {func(c *wire.Checkpoint) { c.Tensors[0].Shape = []int{4} }, "param ode.a.weight has shape [4], expected [2, 2]"},
		"another element type": {func(c *wire.Checkpoint) {
			c.DType = tensor.Float32
		}, "numbers are float32, the model's dtype is float64"},
		"no model": {func(c *wire.Checkpoint) { c.Model, c.ModelSHA256 = "", "" }, "model file: "},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, path := hostileCheckpoint(t, c.change)
			err := pipeline.Train(context.Background(), path, strings.NewReader(""), nil, pipeline.TrainOptions{Backend: onRef, Every: 1})
			refused(t, err, c.want)
			params, err := wire.OpenParams(path, wire.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			defer params.Close()
			in := samples(t, wire.Header{Kind: wire.Batch, Dataset: "d"}, 1, []wire.Column{numbers("x", []int{2}, 1, 2), wholes("y", 0)})
			refused(t, pipeline.Forward(params, in, discard{io.Discard}, pipeline.ForwardOptions{Backend: onRef}), c.want)
		})
	}
	_, path := hostileCheckpoint(t, func(c *wire.Checkpoint) { c.Step = -3 })
	err := pipeline.Train(context.Background(), path, strings.NewReader(""), nil, pipeline.TrainOptions{Backend: onRef, Every: 1})
	refused(t, err, "it is at step -3")
}

func TestGradientsThatMakeNoSense(t *testing.T) {
	nan := math.NaN()
	cases := map[string]struct {
		name  string // of the tensor that is changed; of a scalar it is value
		value float64
		want  string // empty: it is applied
	}{
		"as they should be":           {"batch_size", 4, ""},
		"no samples":                  {"batch_size", 0, "no scalar batch_size that counts samples"},
		"half a sample":               {"batch_size", 1.5, "no scalar batch_size that counts samples"},
		"more samples than there are": {"batch_size", 1e300, "no scalar batch_size that counts samples"},
		"NaN samples":                 {"batch_size", nan, "no scalar batch_size that counts samples"},
		"a loss that is NaN":          {"loss", nan, "the loss is NaN"},
		"a gradient that is NaN":      {"ode.a.bias", nan, "the gradient of ode.a.bias: optim: not finite"},
		"an infinite gradient":        {"ode.a.bias", math.Inf(1), "the gradient of ode.a.bias: optim: not finite"},
		"a count that is NaN":         {"nfe_forward", nan, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			ck, path := hostileCheckpoint(t, nil)
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			set := wire.Set{Tensors: []wire.Tensor{
				{Name: "ode.a.weight", Role: wire.Grad, Shape: []int{2, 2}, Value: tensor.Buffer{F64: []float64{1, 2, 3, 4}}},
				{Name: "ode.a.bias", Role: wire.Grad, Shape: []int{2}, Value: tensor.Buffer{F64: []float64{1, 2}}},
			}}
			for _, s := range []string{"batch_size", "loss", "nfe_forward"} {
				set.AddScalar(s, 1)
			}
			for i := range set.Tensors {
				if set.Tensors[i].Name == c.name {
					set.Tensors[i].Value.Set(0, c.value)
				}
			}
			var b bytes.Buffer
			w := wire.NewTensorWriter(&b, wire.Header{Kind: wire.Gradient, Model: ck.Model, ModelSHA256: ck.ModelSHA256}, tensor.Float64)
			if err := w.Write(&set); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			err = pipeline.Train(context.Background(), path, &b, nil, pipeline.TrainOptions{Backend: onRef, Every: 1})
			after, readErr := os.ReadFile(path)
			if readErr != nil {
				t.Fatal(readErr)
			}
			if c.want == "" {
				if err != nil || bytes.Equal(before, after) {
					t.Errorf("error %v, checkpoint changed: %v", err, !bytes.Equal(before, after))
				}
				return
			}
			refused(t, err, c.want)
			if !bytes.Equal(before, after) {
				t.Error("the checkpoint has changed")
			}
		})
	}
}
