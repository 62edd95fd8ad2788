package ode_test

import (
	"math"
	"testing"

	"odepipe/pkg/backend/cpu"
	"odepipe/pkg/ode"
	"odepipe/pkg/tensor"
	"odepipe/pkg/testkit"
)

// Every method works on the vectorised backend, which computes in single precision and pads the batch; nothing of that
// shows but the rounding.
func TestOnTheVectorisedBackend(t *testing.T) {
	start, want := make([]float64, 15), make([]float64, 15)
	for i := range start {
		start[i] = float64(i*i) - 20
		want[i] = start[i] * math.Exp(-1)
	}
	run := func(name string, o ode.Options) {
		be := cpu.New(1)
		defer be.Close()
		y := be.Batch(5, tensor.Of(3))
		be.Upload(y, tensor.Buffer{F64: start})
		end, _, err := ode.Solve(be, ode.Problem{Field: decay{be}}, ode.State{y}, 0, 1, o, nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		got := make([]float64, len(start))
		be.Download(tensor.Buffer{F64: got}, end[0])
		testkit.Close(t, name, got, want, 1e-3, 2e-3)
	}
	for _, m := range ode.Methods {
		o := ode.Options{Method: m.Name, RTol: 1e-5, ATol: 1e-5}
		if !m.Adaptive() {
			o.Step = 1. / 512
		}
		run(m.Name, o)
	}
	run("dopri5 by sample", ode.Options{RTol: 1e-5, ATol: 1e-5, Control: "sample"})
}

// decay is x' = -x on any backend.
type decay struct{ be *cpu.Backend }

func (f decay) Eval(dst ode.State, _ []float64, y ode.State, _ ode.Evaluation) {
	f.be.Combine(dst[0], []float64{-1}, y[0])
}
