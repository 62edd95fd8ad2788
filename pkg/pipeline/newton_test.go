package pipeline_test

import (
	"bytes"
	"context"
	"path/filepath"
	"testing"

	"odepipe/pkg/model"
	"odepipe/pkg/optim"
	"odepipe/pkg/pipeline"
	"odepipe/pkg/tensor"
	"odepipe/pkg/testkit"
	"odepipe/pkg/wire"
)

// TestDiagonalsOfTheHessianReachTheOptimizer applies one gradient stream with rows of role hessian, one without, and one
// whose rows have another shape.
func TestDiagonalsOfTheHessianReachTheOptimizer(t *testing.T) {
	spec, err := model.Parse(hostileModel)
	if err != nil {
		t.Fatal(err)
	}
	settings, err := optim.Parse("optimizer=newton\nlr=1\neps=0.5\n")
	if err != nil {
		t.Fatal(err)
	}
	row := func(role wire.Role, name string, shape []int, values ...float64) wire.Tensor {
		return wire.Tensor{Name: name, Role: role, Shape: shape, Value: tensor.Buffer{F64: values}}
	}
	weight, bias := []int{2, 2}, []int{2}
	for name, c := range map[string]struct {
		hessian []wire.Tensor
		want    string
	}{
		"diagonals": {[]wire.Tensor{row(wire.Hessian, "ode.a.weight", weight, 0.5, -1.5, 3.5, 0), row(wire.Hessian, "ode.a.bias", bias, 1.5, 0.5)}, ""},
		"none":      {nil, "there is no diagonal of the Hessian"},
		"another's": {[]wire.Tensor{row(wire.Hessian, "ode.a.weight", bias, 1, 1)}, "hessian ode.a.weight has shape [2], expected [2, 2]"},
	} {
		t.Run(name, func(t *testing.T) {
			ck, err := pipeline.Init(spec, settings, 0, "", onRef)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "ck.arrow")
			if err := ck.Save(path); err != nil {
				t.Fatal(err)
			}
			if refresh, ok := ck.Scalar("refresh"); !ok || refresh != 1 {
				t.Errorf("refresh is %g", refresh)
			}
			set := wire.Set{Tensors: append([]wire.Tensor{row(wire.Grad, "ode.a.weight", weight, 1, 2, 4, 0.5), row(wire.Grad, "ode.a.bias", bias, 2, 3)}, c.hessian...)}
			set.AddScalar("batch_size", 1)
			var b bytes.Buffer
			w := wire.NewTensorWriter(&b, wire.Header{Kind: wire.Gradient, Model: ck.Model, ModelSHA256: ck.ModelSHA256}, tensor.Float64)
			if err := w.Write(&set); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			err = pipeline.Train(context.Background(), path, &b, nil, pipeline.TrainOptions{Backend: onRef, Every: 1})
			if c.want != "" {
				refused(t, err, c.want)
				return
			}
			after, readErr := wire.ReadCheckpoint(path, wire.Limits{})
			if err != nil || readErr != nil {
				t.Fatal(err, readErr)
			}
			change := func(name string) []float64 {
				values := tensorOf(t, &after.Set, wire.Param, name)
				for i, v := range tensorOf(t, &ck.Set, wire.Param, name) {
					values[i] -= v
				}
				return values
			}
			testkit.Close(t, "weight", change("ode.a.weight"), []float64{-1, -1, -1, -1}, 1e-14, 0) // g / (|D| + eps)
			testkit.Close(t, "bias", change("ode.a.bias"), []float64{-1, -3}, 1e-14, 0)
		})
	}
}
