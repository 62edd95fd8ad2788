package pipeline_test

import (
	"testing"

	"odepipe/pkg/tensor"
	"odepipe/pkg/testkit"
	"odepipe/pkg/wire"
)

// bulkyModel has half a megabyte of activations to a sample between its blocks, so that samples go through in groups of 16.
const bulkyModel = `
name = "bulky"
dtype = "float64"
input = [2, 4, 4]
loss = "mse"

[[block]]
type = "ode"
name = "one"
t1 = 1.0
solver = { method = "rk4", step_size = 0.25 }
field = [ { type = "conv2d", name = "f", in = 2, out = 2, kernel = 3, padding = 1, time = "concat" }, { type = "tanh" } ]

[[block]]
type = "conv2d"
name = "widen"
in = 2
out = 8
kernel = 1
padding = 62

[[block]]
type = "relu"

[[block]]
type = "conv2d"
name = "thin"
in = 8
out = 2
kernel = 1
stride = 31

[[block]]
type = "ode"
name = "two"
t1 = 1.0
solver = { method = "rk4", step_size = 0.25 }
field = [ { type = "conv2d", name = "f", in = 2, out = 2, kernel = 1, time = "concat" }, { type = "tanh" } ]
`

// TestPlainLayersInGroupsOfSamples compares a mini-batch, two groups and a rest, with its parts, which are a group each: its
// states are theirs, its gradients and factors the means.
func TestPlainLayersInGroupsOfSamples(t *testing.T) {
	const rows, in, out = 35, 2 * 4 * 4, 2 * 5 * 5
	x, y := testkit.Normal(1, rows*in), testkit.Normal(2, rows*out)
	part := func(lo, hi int) *problem {
		return newProblem(t, bulkyModel, tensor.Buffer{F64: x[lo*in : hi*in]}, tensor.Buffer{F64: y[lo*out : hi*out]}, hi-lo)
	}
	states := func(p *problem) (all []float64) {
		var stream inMemory
		p.forward(&stream)
		each(t, &stream.Buffer, func(s *wire.Samples) { all = append(all, s.Column("two.x1").Value.F64...) })
		return all
	}
	whole := part(0, rows)
	got := whole.gradients(0.5)
	mean := got.Clone()
	for i := range mean.Tensors {
		clear(mean.Tensors[i].Value.F64)
	}
	var ends []float64
	for _, r := range [][2]int{{0, 16}, {16, 32}, {32, rows}} {
		p := part(r[0], r[1])
		ends = append(ends, states(p)...)
		for i, own := range p.gradients(0.5).Tensors {
			for j, v := range own.Value.F64 {
				mean.Tensors[i].Value.F64[j] += v * float64(r[1]-r[0]) / rows
			}
		}
	}
	testkit.Close(t, "states", states(whole), ends, 0, 0)
	for i, own := range got.Tensors {
		if own.Role != wire.Scalar {
			testkit.Close(t, string(own.Role)+" "+own.Name, own.Value.F64, mean.Tensors[i].Value.F64, 1e-12, 1e-10)
		}
	}
}
