package adjoint_test

import (
	"slices"
	"testing"

	"odepipe/pkg/adjoint"
	"odepipe/pkg/backend/ref"
	"odepipe/pkg/nn"
	"odepipe/pkg/ode"
	"odepipe/pkg/tensor"
	"odepipe/pkg/testkit"
)

type golden struct {
	Theta []float64      `json:"theta"`
	X1    [][]float64    `json:"x_t1"`
	Y     [][]float64    `json:"y"` // dPhi/dx(t1) per sample
	DTh   []float64      `json:"dL_dtheta"`
	DX0   [][]float64    `json:"dL_dx0"`
	DT1   float64        `json:"dL_dt1"`
	KronA [2][][]float64 `json:"kron_A"`
	KronB [2][][]float64 `json:"kron_B"`
}

func flat(rows [][]float64) []float64 { return slices.Concat(rows...) }

// TestGolden holds the backward solve to the exact derivatives of a small problem.
func TestGolden(t *testing.T) {
	var g golden
	testkit.Golden(t, "mlp_ode", &g)
	be := ref.New()
	chain, err := nn.NewChain([]nn.Spec{{Type: "linear", Name: "ode.a", In: 3, Out: 5}, {Type: "tanh"}, {Type: "linear", Name: "ode.b", In: 5, Out: 3}}, tensor.Of(3))
	if err != nil {
		t.Fatal(err)
	}
	var values []tensor.T
	theta := g.Theta
	for _, p := range chain.Params() {
		v := be.Plain(p.Shape)
		be.Upload(v, tensor.Buffer{F64: theta[:v.Size()]})
		theta = theta[v.Size():]
		values = append(values, v)
	}
	const samples = 4
	x1, a1 := be.Batch(samples, tensor.Of(3)), be.Batch(samples, tensor.Of(3))
	be.Upload(x1, tensor.Buffer{F64: flat(g.X1)})
	be.Upload(a1, tensor.Buffer{F64: flat(g.Y)})
	be.Combine(a1, []float64{1. / samples}, a1) // of the mean loss
	bound := chain.Bind(be, samples, values)
	bound.AllowVJP()
	grid := &adjoint.Grid{Step: 0.001, Into: adjoint.NewFactors(be, chain.Affine())}
	for _, norm := range []bool{false, true} {
		got, err := adjoint.Backsolve(adjoint.Problem{Backend: be, Field: bound, Params: chain.Params(), Block: "ode", T0: 0, T1: 1,
			Solver: ode.Options{Method: "dopri5", RTol: 1e-10, ATol: 1e-10}, SemiNorm: norm}, x1, a1, grid)
		if err != nil {
			t.Fatal(err)
		}
		var dtheta []float64
		for _, p := range got.Params {
			dtheta = append(dtheta, download(be, p)...)
		}
		testkit.Close(t, "dL/dtheta", dtheta, g.DTh, 1e-9, 1e-8)
		testkit.Close(t, "dL/dx0", download(be, got.Dx0), flat(g.DX0), 1e-9, 1e-8)
		testkit.Close(t, "dL/dt1", []float64{got.Dt1}, []float64{g.DT1}, 0, 1e-8)
		if grid == nil {
			continue
		}
		for i, l := range chain.Affine() {
			testkit.Close(t, "A of "+l.Name, download(be, grid.Into.A[l]), flat(g.KronA[i]), 1e-6, 1e-4)
			testkit.Close(t, "B of "+l.Name, download(be, grid.Into.B[l]), flat(g.KronB[i]), 1e-6, 1e-4)
		}
		grid = nil // the second solve samples nothing
	}
}

func download(be *ref.Backend, x tensor.T) []float64 {
	host := make([]float64, x.Size())
	be.Download(tensor.Buffer{F64: host}, x)
	return host
}
