package pipeline_test

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"testing"

	"odepipe/pkg/backend"
	"odepipe/pkg/backend/ref"
	"odepipe/pkg/model"
	"odepipe/pkg/pipeline"
	"odepipe/pkg/tensor"
	"odepipe/pkg/testkit"
	"odepipe/pkg/wire"
)

// fixed is a parameter set that serves every mini-batch.
type fixed struct {
	header wire.Header
	set    wire.Set
}

func (f *fixed) Header() (wire.Header, tensor.DType, error) { return f.header, tensor.Float64, nil }
func (f *fixed) Next() (*wire.Set, error)                   { return &f.set, nil }
func (f *fixed) Fixed() bool                                { return true }
func (f *fixed) Close() error                               { return nil }

// inMemory is an output stream.
type inMemory struct{ bytes.Buffer }

func (*inMemory) Close() error { return nil }

func reference(tensor.DType) (backend.Backend, error) { return ref.New(), nil }

// problem is a model in float64 with one mini-batch, run through the stages in this process.
type problem struct {
	testing.TB
	params fixed
	batch  wire.Samples
}

func newProblem(t testing.TB, text string, x, y tensor.Buffer, rows int) *problem {
	spec, err := model.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	n, err := model.NewNetwork(spec)
	if err != nil {
		t.Fatal(err)
	}
	p := &problem{TB: t, params: fixed{header: wire.Header{Kind: wire.Params, Model: text, ModelSHA256: spec.SHA256}}}
	for i, param := range n.Params {
		p.params.set.Tensors = append(p.params.set.Tensors,
			wire.Tensor{Name: param.Name, Role: wire.Param, Shape: param.Shape.Dims(), Value: n.Init(i, 5)})
	}
	for _, o := range n.ODEs() {
		p.params.set.AddScalar(o.Name+".t1", o.T1)
	}
	p.batch = wire.Samples{Rows: rows, Columns: []wire.Column{
		{Name: "x", Type: wire.Values, Shape: n.Spec.Input.Dims(), Value: x},
		{Name: "y", Type: wire.Values, Shape: n.Output.Dims(), Value: y}}}
	return p
}

// gradients runs both stages and returns the gradient of the mini-batch.
func (p *problem) gradients(factorStep float64) *wire.Set {
	var states, out inMemory
	p.forward(&states)
	o := pipeline.BackwardOptions{Backend: reference, SecondOrder: pipeline.SNOpt,
		Sampling: pipeline.Sampling{Step: factorStep, Terminal: pipeline.GradientVector}}
	if err := pipeline.Backward(&p.params, &states, &out, o); err != nil {
		p.Fatal(err)
	}
	var set wire.Set
	if err := wire.NewTensorReader(&out, wire.Limits{}).Next(&set); err != nil {
		p.Fatal(err)
	}
	return set.Clone()
}

func (p *problem) forward(out io.WriteCloser) {
	var batches bytes.Buffer
	w := wire.NewSampleWriter(&batches, wire.Header{Kind: wire.Batch})
	if err := w.Write(&p.batch); err != nil {
		p.Fatal(err)
	}
	if err := w.Close(); err != nil {
		p.Fatal(err)
	}
	if err := pipeline.Forward(&p.params, &batches, out, pipeline.ForwardOptions{Backend: reference}); err != nil {
		p.Fatal(err)
	}
}

// loss is the mean loss with the parameters as they are.
func (p *problem) loss() float64 {
	var states inMemory
	p.forward(&states)
	var s wire.Samples
	if err := wire.NewSampleReader(&states, wire.Limits{}).Next(&s); err != nil {
		p.Fatal(err)
	}
	sum := 0.0
	for _, l := range s.Column("loss").Value.F64 {
		sum += l
	}
	return sum / float64(s.Rows)
}

const (
	top   = "name = \"m\"\ndtype = \"float64\"\ninput = [2]\nloss = \"mse\"\n"
	lift  = "[[block]]\ntype = \"linear\"\nname = \"lift\"\nin = 2\nout = 3\n"
	head  = "[[block]]\ntype = \"linear\"\nname = \"head\"\nin = 3\nout = 2\n"
	smile = "[[block]]\ntype = \"tanh\"\n"
)

// odeBlock is an ODE block on vectors of so many features.
func odeBlock(name string, t0, t1 float64, features int, field string) string {
	if field == "" {
		field = fmt.Sprintf(`{ type = "linear", name = "a", in = %d, out = 4, time = "concat" }, { type = "tanh" }, `+
			`{ type = "linear", name = "b", in = 4, out = %[1]d, bias = false }`, features)
	}
	return fmt.Sprintf("[[block]]\ntype = \"ode\"\nname = %q\nt0 = %g\nt1 = %g\nsolver = { method = \"rk4\", step_size = 0.05 }\nfield = [%s]\n",
		name, t0, t1, field)
}

func TestGradientsOfEveryKindOfModelAgreeWithDifferences(t *testing.T) {
	cases := []struct{ name, model string }{
		{"one ODE block alone", top + odeBlock("ode", 0, 1, 2, "")},
		{"an ODE block that runs backwards in time", top + odeBlock("ode", 1, -0.3, 2, "")},
		{"two ODE blocks in a row, then a head", top + lift + odeBlock("one", 0, 1, 3, "") + odeBlock("two", 0.5, 0, 3, "") + head},
		{"ODE blocks with layers between", top + odeBlock("one", 0, 0.5, 2, "") + smile + lift + odeBlock("two", 1, 2.5, 3, "") + smile + head},
		{"no ODE block", top + lift + smile + head},
		{"a first segment without parameters", top + smile + odeBlock("ode", 0, 1, 2, "")},
		{"a field without parameters", top + lift + odeBlock("ode", 0, 1, 3, `{ type = "tanh" }`) + head},
		{"no parameters at all", top + odeBlock("ode", 0, 1, 2, `{ type = "tanh" }`)},
	}
	for _, c := range cases {
		for _, rows := range []int{1, 3} {
			t.Run(fmt.Sprintf("%s, %d samples", c.name, rows), func(t *testing.T) {
				x, y := tensor.Buffer{F64: testkit.Normal(1, 2*rows)}, tensor.Buffer{F64: testkit.Normal(2, 2*rows)}
				p := newProblem(t, c.model, x, y, rows)
				got := p.gradients(0.5)
				testkit.Close(t, "loss", tensorOf(t, got, wire.Scalar, "loss"), []float64{p.loss()}, 0, 1e-12)
				for _, param := range p.params.set.Tensors {
					role, name := wire.Grad, param.Name
					if param.Role == wire.Scalar {
						role, name = wire.Scalar, name[:len(name)-len(".t1")]+".dphi_dt1"
					}
					want := testkit.Gradient(func([]float64) float64 { return p.loss() }, param.Value.F64)
					testkit.Close(t, name, tensorOf(t, got, role, name), want, 2e-7, 1e-5)
				}
			})
		}
	}
}

// TestBlocksInARowAgainstTheClosedForm has x' = v x from 0 to 2, then x' = w x from 1 to -0.5: everything is exponential.
func TestBlocksInARowAgainstTheClosedForm(t *testing.T) {
	const v, w, long, back = 0.3, -0.7, 2, -1.5
	scalarField := `{ type = "linear", name = "a", in = 1, out = 1, bias = false }`
	x0, y := []float64{1, -0.5, 2}, []float64{0.3, 0.2, -1}
	p := newProblem(t, "name = \"m\"\ndtype = \"float64\"\ninput = [1]\nloss = \"mse\"\n"+
		odeBlock("one", 0, long, 1, scalarField)+odeBlock("two", 1, 1+back, 1, scalarField),
		tensor.Buffer{F64: x0}, tensor.Buffer{F64: y}, len(x0))
	p.params.set.Tensors[0].Value.F64[0], p.params.set.Tensors[1].Value.F64[0] = v, w
	var dv, dw, dt, a1, b1, a2, b2 float64
	growth := func(rate, time float64) float64 { return math.Expm1(2*rate*time) / (2 * rate) * math.Copysign(1, time) } // int e^(2 rate t) |dt|
	for n := range x0 {
		middle := x0[n] * math.Exp(v*long)
		end := middle * math.Exp(w*back)
		e := end - y[n]               // dPhi/dx at the end of the second block
		f := e * math.Exp(w*back)     // and of the first
		share := 1 / float64(len(x0)) // of the mean
		dw, dv, dt = dw+share*e*end*back, dv+share*f*middle*long, dt+share*e*w*end
		a1 += share * x0[n] * x0[n] * growth(v, long)
		a2 += share * middle * middle * growth(w, back)
		b1 += share * f * f * growth(v, long) / math.Abs(long)
		b2 += share * e * e * growth(w, back) / math.Abs(back)
	}
	got := p.gradients(0.002)
	for _, c := range []struct {
		role wire.Role
		name string
		want float64
	}{
		{wire.Grad, "one.a.weight", dv}, {wire.Grad, "two.a.weight", dw}, {wire.Scalar, "two.dphi_dt1", dt},
		{wire.KronA, "one.a", a1}, {wire.KronB, "one.a", b1}, {wire.KronA, "two.a", a2}, {wire.KronB, "two.a", b2},
	} {
		testkit.Close(t, fmt.Sprint(c.role, " ", c.name), tensorOf(t, got, c.role, c.name), []float64{c.want}, 0, 1e-5)
	}
}
