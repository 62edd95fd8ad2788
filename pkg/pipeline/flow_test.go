package pipeline_test

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"

	"odepipe/pkg/model"
	"odepipe/pkg/pipeline"
	"odepipe/pkg/tensor"
	"odepipe/pkg/testkit"
	"odepipe/pkg/wire"
)

// flowBlock is a cnf block on two features.
func flowBlock(name, divergence string, t0, t1 float64, field string) string {
	if field == "" {
		field = `{ type = "linear", name = "a", in = 2, out = 4, time = "concat" }, { type = "tanh" }, { type = "linear", name = "b", in = 4, out = 2 }`
	}
	return fmt.Sprintf("[[block]]\ntype = \"cnf\"\nname = %q\nt0 = %g\nt1 = %g\ndivergence = %q\nsolver = { rtol = 1e-10, atol = 1e-10 }\nfield = [%s]\n",
		name, t0, t1, divergence, field)
}

const flowTop = "name = \"m\"\ndtype = \"float64\"\ninput = [2]\nloss = \"nll\"\n"

// newFlow has three rows of data and no target.
func newFlow(t *testing.T, model string) *problem {
	p := newProblem(t, model, tensor.Buffer{F64: testkit.Normal(1, 2*rows)}, tensor.Buffer{F64: make([]float64, 2*rows)}, rows)
	p.batch.Columns = p.batch.Columns[:1]
	return p
}

func TestGradientsOfFlowsAgreeWithDifferences(t *testing.T) {
	for _, divergence := range []string{"exact", "rademacher", "gaussian"} {
		for _, extra := range []string{"", "kinetic = 0.2\njacobian = 0.3\n"} {
			text := flowTop + flowBlock("one", divergence, 0, 0.7, "") + flowBlock("two", divergence, 1, 0.4, "")
			p := newFlow(t, strings.ReplaceAll(text, "solver =", extra+"solver ="))
			got := p.backward(pipeline.BackwardOptions{SecondOrder: pipeline.None})
			penalised := func() float64 {
				s := p.backward(pipeline.BackwardOptions{SecondOrder: pipeline.None})
				sum := tensorOf(t, s, wire.Scalar, "loss")[0]
				for _, block := range []string{"one", "two"} {
					if extra != "" {
						sum += 0.2*tensorOf(t, s, wire.Scalar, block+".kinetic")[0] + 0.3*tensorOf(t, s, wire.Scalar, block+".jacobian")[0]
					}
				}
				return sum
			}
			for _, param := range p.params.set.Tensors {
				role, name := wire.Grad, param.Name
				if param.Role == wire.Scalar {
					if extra != "" {
						continue // the derivative there is that of the loss without its costs
					}
					role, name = wire.Scalar, strings.TrimSuffix(name, ".t1")+".dphi_dt1"
				}
				want := testkit.Gradient(func([]float64) float64 { return penalised() }, param.Value.F64)
				testkit.Close(t, divergence+": "+name, tensorOf(t, got, role, name), want, 1e-6, 1e-5)
			}
		}
	}
}

// TestLogDensityOfALinearFlow has x' = A x: log p(x) = log N(exp(-A T) x) - T tr A, here with a diagonal A.
func TestLogDensityOfALinearFlow(t *testing.T) {
	const length, a, b = 0.8, 0.3, -0.7
	p := newFlow(t, flowTop+flowBlock("cnf", "exact", 0, length, `{ type = "linear", name = "a", in = 2, out = 2, bias = false }`))
	copy(p.params.set.Tensors[0].Value.F64, []float64{a, 0, 0, b})
	var states inMemory
	p.forward(&states)
	var s wire.Samples
	if err := wire.NewSampleReader(&states, wire.Limits{}).Next(&s); err != nil {
		t.Fatal(err)
	}
	var want []float64
	x := p.batch.Columns[0].Value.F64
	for n := range rows {
		u, v := x[2*n]*math.Exp(-a*length), x[2*n+1]*math.Exp(-b*length)
		want = append(want, -(u*u+v*v)/2-math.Log(2*math.Pi)-length*(a+b))
	}
	testkit.Close(t, "log p", s.Column("pred").Value.F64, want, 1e-8, 1e-8)
	testkit.Close(t, "x1", s.Column("cnf.x1").Value.F64, x, 0, 0)
}

// A density integrates to one over the plane, and samples of the flow have it: what flows there comes back.
func TestDensityAndSamplesOfAFlow(t *testing.T) {
	p := newFlow(t, flowTop+flowBlock("one", "exact", 0, 0.7, "")+flowBlock("two", "rademacher", 0, 0.5, ""))
	var grid inMemory
	o := pipeline.DensityOptions{Backend: reference, Lo: [2]float64{-9, -9}, Hi: [2]float64{9, 9}, Points: 60}
	if err := pipeline.Density(&p.params, &grid, o); err != nil {
		t.Fatal(err)
	}
	total := 0.0
	each(t, &grid.Buffer, func(s *wire.Samples) {
		for _, l := range s.Column("pred").Value.F64 {
			total += math.Exp(l) * 0.3 * 0.3
		}
	})
	if !(math.Abs(total-1) <= 1e-4) {
		t.Errorf("the density integrates to %g", total)
	}
	var samples, states inMemory
	if err := pipeline.Sample(&p.params, &samples, pipeline.SampleOptions{Backend: reference, Count: 500, Batch: 200}); err != nil {
		t.Fatal(err)
	}
	if err := pipeline.Forward(&p.params, &samples, &states, pipeline.ForwardOptions{Backend: reference}); err != nil {
		t.Fatal(err)
	}
	count, squares := 0, 0.0
	each(t, &states.Buffer, func(s *wire.Samples) {
		count += s.Rows
		for _, z := range s.Column("two.x0").Value.F64 {
			squares += z * z
		}
	})
	if count != 500 || !(math.Abs(squares/1000-1) <= 0.15) {
		t.Errorf("%d samples, the base has mean square %g", count, squares/1000)
	}
}

// each reads a stream of samples.
func each(t *testing.T, in *bytes.Buffer, do func(*wire.Samples)) {
	t.Helper()
	reader := wire.NewSampleReader(in, wire.Limits{})
	for {
		var s wire.Samples
		if err := reader.Next(&s); err != nil {
			if err != io.EOF {
				t.Fatal(err)
			}
			return
		}
		do(&s)
	}
}

// parse builds the network of a model file.
func parse(text string) error {
	spec, err := model.Parse(text)
	if err == nil {
		_, err = model.NewNetwork(spec)
	}
	return err
}

func TestWhatFlowsCannotBe(t *testing.T) {
	flow := flowTop + flowBlock("cnf", "exact", 0, 1, "")
	refuse := map[string]string{
		strings.Replace(flow, `loss = "nll"`, `loss = "mse"`, 1):     `block 1: type cnf needs loss = "nll"`,
		flow + "[[block]]\ntype = \"tanh\"\n":                        `block 2: with loss = "nll" all blocks must be of type cnf`,
		strings.Replace(flow, `"exact"`, `"hutch"`, 1):               `divergence = "hutch" is not one of "exact", "rademacher", "gaussian"`,
		strings.Replace(flow, "input = [2]", "input = [1, 2, 2]", 1): `a flow needs input = [features]`,
	}
	for text, want := range refuse {
		if err := parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	p := newFlow(t, flow)
	var states, out inMemory
	p.forward(&states)
	err := pipeline.Backward(&p.params, &states, &out, pipeline.BackwardOptions{Backend: reference, SecondOrder: pipeline.LowRank})
	if err == nil || !strings.Contains(err.Error(), "of flows and series there are Kronecker factors of the gradient alone") {
		t.Errorf("got %v", err)
	}
}
