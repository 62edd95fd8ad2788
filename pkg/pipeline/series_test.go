package pipeline_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"odepipe/pkg/pipeline"
	"odepipe/pkg/tensor"
	"odepipe/pkg/testkit"
	"odepipe/pkg/wire"
)

const (
	seriesPoints   = 5
	seriesChannels = 2
)

// seriesModel is an ODE-RNN with a head of two outputs.
func seriesModel(keys string) string {
	return "name = \"m\"\ndtype = \"float64\"\ninput = [5, 2]\nloss = \"mse\"\n" +
		"[[block]]\ntype = \"ode_rnn\"\nname = \"rnn\"\nhidden = 3\n" + keys +
		"field = [{ type = \"linear\", name = \"f1\", in = 3, out = 4, time = \"concat\" }, { type = \"tanh\" }, { type = \"linear\", name = \"f2\", in = 4, out = 3 }]\n" + head
}

// newSeries has three series: their values, and the columns that say more of them.
func newSeries(t *testing.T, model string, columns ...wire.Column) *problem {
	x := testkit.Normal(1, rows*seriesPoints*seriesChannels)
	p := newProblem(t, model, tensor.Buffer{F64: x}, tensor.Buffer{F64: testkit.Normal(2, 2*rows)}, rows)
	p.batch.Columns = append(p.batch.Columns, columns...)
	return p
}

var (
	lengths = wire.Column{Name: "length", Type: wire.Int32, I32: []int32{5, 2, 1}}
	times   = wire.Column{Name: "times", Type: wire.Values, Shape: []int{seriesPoints}, Value: tensor.Buffer{F64: []float64{
		0, 0.3, 1, 1.2, 2, 0.5, 2, 9, 9, 9, 1, 0, 0, 0, 0}}}
)

const fineSteps = "solver = { method = \"rk4\", step_size = 0.05 }\n"

func TestGradientsOfSeriesAgreeWithDifferences(t *testing.T) {
	cases := []struct {
		name, keys string
		columns    []wire.Column
		missing    []int // elements of x that are NaN
	}{
		{"whole series", fineSteps, nil, nil},
		{"unequal lengths", fineSteps, []wire.Column{lengths}, nil},
		{"irregular times", fineSteps, []wire.Column{lengths, times}, nil},
		{"missing values, of some points all", fineSteps + "channels = \"all\"\n", []wire.Column{lengths}, []int{0, 2, 3, 7, 10, 20}},
		{"a checkpointed gradient", fineSteps + "adjoint = { method = \"checkpointed\" }\n", []wire.Column{lengths}, nil},
		{"an interpolated gradient", fineSteps + "adjoint = { method = \"interpolated\" }\n", []wire.Column{lengths, times}, nil},
		{"steps of chosen size", "solver = { rtol = 1e-10, atol = 1e-10 }\n", []wire.Column{lengths, times}, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p := newSeries(t, seriesModel(c.keys), c.columns...)
			for _, i := range c.missing {
				p.batch.Column("x").Value.F64[i] = math.NaN()
			}
			got := p.backward(pipeline.BackwardOptions{SecondOrder: pipeline.None})
			testkit.Close(t, "loss", tensorOf(t, got, wire.Scalar, "loss"), []float64{p.loss()}, 0, 1e-12)
			for _, param := range p.parameters("") {
				want := testkit.Gradient(func([]float64) float64 { return p.loss() }, param.Value.F64)
				testkit.Close(t, param.Name, tensorOf(t, got, wire.Grad, param.Name), want, 2e-7, 1e-5)
			}
		})
	}
}

// The gradient in float64 is that of a forward solve of its own, whatever states the stream has: it shows that these are off.
func TestCheckSolvesSeriesAgain(t *testing.T) {
	p := newSeries(t, seriesModel("solver = { rtol = 1e-3, atol = 1e-3 }\nadjoint = { method = \"checkpointed\" }\n"), lengths)
	var states, off, out inMemory
	p.forward(&states)
	reader := wire.NewSampleReader(&states, wire.Limits{})
	var s wire.Samples
	if err := reader.Next(&s); err != nil {
		t.Fatal(err)
	}
	header, _, err := reader.Header()
	if err != nil {
		t.Fatal(err)
	}
	for i := range s.Column("rnn.x1").Value.F64 {
		s.Column("rnn.x1").Value.F64[i] += 0.01
	}
	w := wire.NewSampleWriter(&off, header)
	if err := errors.Join(w.Write(&s), w.Close()); err != nil {
		t.Fatal(err)
	}
	o := pipeline.BackwardOptions{Backend: reference, SecondOrder: pipeline.None, Check: true}
	if err := pipeline.Backward(&p.params, &off, &out, o); err != nil {
		t.Fatal(err)
	}
	var set wire.Set
	if err := wire.NewTensorReader(&out, wire.Limits{}).Next(&set); err != nil {
		t.Fatal(err)
	}
	if e := tensorOf(t, &set, wire.Scalar, "check")[0]; !(e >= 1e-4) {
		t.Errorf("with states that are off by 0.01 the gradient is off by %g", e)
	}
	same := p.backward(o)
	if e := tensorOf(t, same, wire.Scalar, "check")[0]; !(e <= 1e-14) {
		t.Errorf("the checkpointed gradient differs from itself by %g", e)
	}
}

// What lies beyond the end of a series has no effect.
func TestSeriesEndWhereTheySay(t *testing.T) {
	p := newSeries(t, seriesModel(fineSteps), lengths)
	before := p.loss()
	x := p.batch.Column("x").Value.F64
	for _, n := range []int{1, 2} {
		for i := int(lengths.I32[n]); i < seriesPoints; i++ {
			x[(n*seriesPoints+i)*seriesChannels] = 1e3
		}
	}
	if after := p.loss(); after != before {
		t.Errorf("the loss goes from %g to %g", before, after)
	}
}

// The factors of a series are the sums of those of its intervals.
func TestFactorsOfSeries(t *testing.T) {
	p := newSeries(t, seriesModel("solver = { rtol = 1e-10, atol = 1e-10 }\n"))
	fine := p.backward(pipeline.BackwardOptions{SecondOrder: pipeline.SNOpt, Sampling: pipeline.Sampling{Step: 0.001}})
	stages := p.backward(pipeline.BackwardOptions{SecondOrder: pipeline.SNOpt, Sampling: pipeline.Sampling{Factors: "stages"}})
	for _, layer := range []string{"rnn.f1", "rnn.f2", "head"} {
		for _, role := range []wire.Role{wire.KronA, wire.KronB} {
			testkit.Close(t, fmt.Sprint(role, " of ", layer), tensorOf(t, stages, role, layer), tensorOf(t, fine, role, layer), 1e-5, 1e-4)
		}
	}
	a := tensorOf(t, fine, wire.KronA, "rnn.f1") // of the bias with itself: the time
	testkit.Close(t, "time that the factors cover", a[len(a)-1:], []float64{seriesPoints - 1}, 0, 1e-9)
}

func TestSeriesThatCannotBe(t *testing.T) {
	column := func(c wire.Column, change func(*wire.Column)) wire.Column {
		c.I32 = append([]int32(nil), c.I32...)
		c.Value.F64 = append([]float64(nil), c.Value.F64...)
		change(&c)
		return c
	}
	cases := map[string]wire.Column{
		"sample 1: length 6, the model has 1 to 5 points":          column(lengths, func(c *wire.Column) { c.I32[1] = 6 }),
		"sample 2: length 0":                                       column(lengths, func(c *wire.Column) { c.I32[2] = 0 }),
		"sample 0: time 3 is 0.9, it must be above the one before": column(times, func(c *wire.Column) { c.Value.F64[3] = 0.9 }),
		"column times is not [5] for each sample":                  {Name: "times", Type: wire.Values, Value: tensor.Buffer{F64: make([]float64, rows)}},
	}
	for want, c := range cases {
		p := newSeries(t, seriesModel(fineSteps), c)
		if c.Name == "times" {
			p.batch.Columns = append(p.batch.Columns, lengths)
		}
		var batches, out inMemory
		w := wire.NewSampleWriter(&batches, wire.Header{Kind: wire.Batch})
		if err := w.Write(&p.batch); err != nil {
			t.Fatal(err)
		}
		w.Close()
		err := pipeline.Forward(&p.params, &batches, &out, pipeline.ForwardOptions{Backend: reference})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	interval := wire.Column{Name: "t1", Type: wire.Values, Value: tensor.Buffer{F64: make([]float64, rows)}}
	p := newSeries(t, seriesModel(fineSteps))
	var states inMemory
	p.forward(&states)
	whole := append([]byte(nil), states.Bytes()...)
	for _, mode := range []pipeline.SecondOrder{pipeline.LowRank, pipeline.Theorem1, pipeline.Recursive} {
		err := pipeline.Backward(&p.params, bytes.NewReader(whole), &inMemory{}, pipeline.BackwardOptions{Backend: reference, SecondOrder: mode})
		if err == nil || !strings.Contains(err.Error(), "of flows and series there are Kronecker factors of the gradient alone") {
			t.Errorf("%s: got %v", mode, err)
		}
	}
	p.batch.Columns = append(p.batch.Columns, interval)
	var batches inMemory
	w := wire.NewSampleWriter(&batches, wire.Header{Kind: wire.Batch})
	if err := errors.Join(w.Write(&p.batch), w.Close()); err != nil {
		t.Fatal(err)
	}
	err := pipeline.Forward(&p.params, &batches, &inMemory{}, pipeline.ForwardOptions{Backend: reference})
	if err == nil || !strings.Contains(err.Error(), "the columns t0 and t1 have no meaning") {
		t.Errorf("got %v", err)
	}
	behind := strings.Replace(seriesModel(fineSteps), "[[block]]", "[[block]]\ntype = \"relu\"\n[[block]]", 1)
	if err := parse(behind); err == nil || !strings.Contains(err.Error(), "comes first") {
		t.Errorf("got %v", err)
	}
	if err := parse(strings.Replace(seriesModel(fineSteps), `"f1"`, `"i2r"`, 1)); err == nil || !strings.Contains(err.Error(), "two parameters rnn.i2r.weight") {
		t.Errorf("got %v", err)
	}
	text := strings.Replace(seriesModel(fineSteps), "input = [5, 2]", "input = [5]", 1)
	if err := parse(text); err == nil || !strings.Contains(err.Error(), "needs input = [points, channels]") {
		t.Errorf("got %v", err)
	}
}
