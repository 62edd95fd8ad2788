package adjoint_test

import (
	"testing"

	"odepipe/pkg/adjoint"
	"odepipe/pkg/backend"
	"odepipe/pkg/backend/cpu"
	"odepipe/pkg/backend/ref"
	"odepipe/pkg/nn"
	"odepipe/pkg/ode"
	"odepipe/pkg/tensor"
	"odepipe/pkg/testkit"
)

// unitCosts solves a flow of five features with costs along the unit vectors.
func unitCosts(t *testing.T, be backend.Backend, costs func(x tensor.Shape, batch func(host []float64) tensor.T) adjoint.Costs) adjoint.End {
	t.Helper()
	const samples, dims = 18, 5
	chain, err := nn.NewChain([]nn.Spec{{Type: "concatsquash", Name: "a", In: dims, Out: 8}, {Type: "tanh"}, {Type: "concatsquash", Name: "b", In: 8, Out: dims}}, tensor.Of(dims))
	if err != nil {
		t.Fatal(err)
	}
	var values []tensor.T
	for i, p := range chain.Params() {
		v := be.Plain(p.Shape)
		be.Upload(v, tensor.Buffer{F64: testkit.Normal(uint64(i), v.Size())})
		values = append(values, v)
	}
	batch := func(host []float64) tensor.T {
		x := be.Batch(samples, chain.In)
		be.Upload(x, tensor.Buffer{F64: host})
		return x
	}
	p := &adjoint.Problem{Backend: be, Field: chain.Bind(be, samples, values), Params: chain.Params(), T0: 1, T1: 0,
		Forward: ode.Options{Method: "rk4", Step: 0.25}, Costs: costs(chain.In, batch)}
	p.Costs.Measure = true
	p.AllowSolve(samples, chain.In)
	end, err := adjoint.Solve(p, batch(testkit.Normal(99, samples*dims)), nil)
	if err != nil {
		t.Fatal(err)
	}
	return end
}

func TestUnitVectorsInGroups(t *testing.T) {
	listed := func(shape tensor.Shape, batch func(host []float64) tensor.T) (c adjoint.Costs) {
		const samples = 18
		for k := range shape.Size() {
			host := make([]float64, samples*shape.Size())
			for n := range samples {
				host[n*shape.Size()+k] = 1
			}
			c.Probes = append(c.Probes, batch(host))
		}
		return c
	}
	for _, be := range []backend.Backend{ref.New(), cpu.New(2)} {
		tolerance := 1e-13
		if be.DType() == tensor.Float32 {
			tolerance = 1e-6
		}
		want := unitCosts(t, be, listed)
		for _, group := range []int{0, 1, 2, 3, 5, 9} {
			got := unitCosts(t, be, func(tensor.Shape, func([]float64) tensor.T) adjoint.Costs {
				return adjoint.Costs{Units: true, Group: group}
			})
			testkit.Close(t, "divergence", got.Divergence, want.Divergence, tolerance, tolerance)
			testkit.Close(t, "Jacobian", got.Jacobian, want.Jacobian, tolerance, tolerance)
		}
		be.Close()
	}
}
