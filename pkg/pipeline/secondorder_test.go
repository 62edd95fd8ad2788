package pipeline_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"odepipe/pkg/pipeline"
	"odepipe/pkg/tensor"
	"odepipe/pkg/testkit"
	"odepipe/pkg/wire"
)

// backward runs both stages with the given options.
func (p *problem) backward(o pipeline.BackwardOptions) *wire.Set {
	p.Helper()
	var states, out inMemory
	p.forward(&states)
	o.Backend = reference
	if o.Sampling.Step == 0 {
		o.Sampling.Step = 0.1
	}
	if o.Sampling.Terminal == "" {
		o.Sampling.Terminal = pipeline.GradientVector
	}
	if err := pipeline.Backward(&p.params, &states, &out, o); err != nil {
		p.Fatal(err)
	}
	var set wire.Set
	if err := wire.NewTensorReader(&out, wire.Limits{}).Next(&set); err != nil {
		p.Fatal(err)
	}
	return set.Clone()
}

const rows = 3

// between has layers before, between and behind two ODE blocks.
var between = top + lift + odeBlock("one", 0, 0.7, 3, "") + smile + odeBlock("two", 1, 0.4, 3, "") + smile + head

func secondOrderProblem(t *testing.T) *problem {
	fine := strings.ReplaceAll(between, "step_size = 0.05", "step_size = 0.02")
	return newProblem(t, fine, tensor.Buffer{F64: testkit.Normal(1, 2*rows)}, tensor.Buffer{F64: testkit.Normal(2, 2*rows)}, rows)
}

// parameters are the values of a block's parameters, or of all if block is empty.
func (p *problem) parameters(block string) []wire.Tensor {
	var list []wire.Tensor
	for _, t := range p.params.set.Tensors {
		if t.Role == wire.Param && strings.HasPrefix(t.Name, block) {
			list = append(list, t)
		}
	}
	return list
}

// differences is the Hessian of the loss with respect to a block's parameters by central differences of gradients.
func (p *problem) differences(block string) []float64 {
	const step = 1e-5
	gradient := func() []float64 {
		set := p.backward(pipeline.BackwardOptions{SecondOrder: pipeline.None})
		var all []float64
		for _, param := range p.parameters(block) {
			all = append(all, set.Find(wire.Grad, param.Name).Value.F64...)
		}
		return all
	}
	var columns [][]float64
	for _, param := range p.parameters(block) {
		for i, centre := range param.Value.F64 {
			param.Value.F64[i] = centre + step
			above := gradient()
			param.Value.F64[i] = centre - step
			below := gradient()
			param.Value.F64[i] = centre
			for k := range above {
				above[k] = (above[k] - below[k]) / (2 * step)
			}
			columns = append(columns, above)
		}
	}
	var hessian []float64
	for row := range columns {
		for _, column := range columns {
			hessian = append(hessian, column[row])
		}
	}
	return hessian
}

func TestHessiansOfBlocksInsideAModel(t *testing.T) {
	p := secondOrderProblem(t)
	recursive := p.backward(pipeline.BackwardOptions{SecondOrder: pipeline.Recursive})
	full := p.backward(pipeline.BackwardOptions{SecondOrder: pipeline.Theorem1, Full: true})
	for _, block := range []string{"one", "two"} {
		want := p.differences(block)
		testkit.Close(t, "recursive adjoint of "+block, tensorOf(t, recursive, wire.Hessian, block), want, 1e-6, 1e-5)
		testkit.Close(t, "Theorem 1 with all terms of "+block, tensorOf(t, full, wire.QUU, block), want, 1e-6, 1e-5)
	}
}

func TestTheorem1IsTheSumOfRowsOfAnExactFactor(t *testing.T) {
	p := secondOrderProblem(t)
	uu := p.backward(pipeline.BackwardOptions{SecondOrder: pipeline.Theorem1})
	lowrank := p.backward(pipeline.BackwardOptions{SecondOrder: pipeline.LowRank, Sampling: pipeline.Sampling{Terminal: pipeline.ExactFactor}})
	for _, block := range []string{"one", "two"} {
		var want []float64
		for i := range 2 { // the rank of half a squared distance of two outputs
			for n := range rows {
				want = addOuter(want, p.row(t, lowrank, block, fmt.Sprintf(".%d", i), n), 1./rows)
			}
		}
		testkit.Close(t, "Q_uu of "+block, tensorOf(t, uu, wire.QUU, block), want, 1e-7, 1e-6)
	}
}

// row is the p of one sample for all parameters of a block.
func (p *problem) row(t *testing.T, set *wire.Set, block, suffix string, n int) []float64 {
	var row []float64
	for _, param := range p.parameters(block) {
		size := param.Value.Len()
		row = append(row, tensorOf(t, set, wire.P, param.Name+suffix)[n*size:(n+1)*size]...)
	}
	return row
}

func addOuter(sum, x []float64, weight float64) []float64 {
	if sum == nil {
		sum = make([]float64, len(x)*len(x))
	}
	for i := range x {
		for j := range x {
			sum[i*len(x)+j] += weight * x[i] * x[j]
		}
	}
	return sum
}

// On a fine solve the stages of the steps and a fine grid see the same factors, of whichever vectors.
func TestFactorsAtTheStagesAreThoseOfTheGrid(t *testing.T) {
	fine := strings.ReplaceAll(between, `method = "rk4", step_size = 0.05`, `method = "dopri5", rtol = 1e-12, atol = 1e-12`)
	p := newProblem(t, fine, tensor.Buffer{F64: testkit.Normal(1, 2*rows)}, tensor.Buffer{F64: testkit.Normal(2, 2*rows)}, rows)
	for _, sampling := range []pipeline.Sampling{{Terminal: pipeline.GradientVector}, {Terminal: pipeline.ExactFactor}, {Terminal: pipeline.DrawnVectors, Rank: 3}} {
		grid, stages := sampling, sampling
		grid.Factors, grid.Step, stages.Factors, stages.Step = "grid", 0.001, "stages", 0.01
		want := p.backward(pipeline.BackwardOptions{SecondOrder: pipeline.SNOpt, Sampling: grid})
		got := p.backward(pipeline.BackwardOptions{SecondOrder: pipeline.SNOpt, Sampling: stages})
		for _, layer := range []string{"lift", "one.a", "one.b", "two.a", "two.b", "head"} {
			for _, role := range []wire.Role{wire.KronA, wire.KronB} {
				testkit.Close(t, fmt.Sprint(sampling.Terminal, ": ", role, " of ", layer), tensorOf(t, got, role, layer), tensorOf(t, want, role, layer), 1e-6, 1e-5)
			}
		}
	}
}

// The rows of the gradient are each sample's own gradient, scaled in ODE blocks.
func TestRowsOfRankOneAreTheGradientsOfTheSamples(t *testing.T) {
	p := secondOrderProblem(t)
	set := p.backward(pipeline.BackwardOptions{SecondOrder: pipeline.LowRank})
	scale := map[string]float64{"one.": 1 / math.Sqrt(0.7), "two.": 1 / math.Sqrt(0.6)}
	for _, param := range p.parameters("") {
		size := param.Value.Len()
		all, mean := tensorOf(t, set, wire.P, param.Name), make([]float64, size)
		factor := 1.0
		if s, inside := scale[param.Name[:4]]; inside {
			factor = s
		}
		for i, v := range all {
			mean[i%size] += v / rows / factor
		}
		testkit.Close(t, "mean of p for "+param.Name, mean, tensorOf(t, set, wire.Grad, param.Name), 1e-9, 1e-8)
	}
}

func TestDrawnVectorsHaveTheirRankAndRepeat(t *testing.T) {
	p := secondOrderProblem(t)
	o := pipeline.BackwardOptions{SecondOrder: pipeline.LowRank, Sampling: pipeline.Sampling{Terminal: pipeline.DrawnVectors, Rank: 3}}
	first, again := p.backward(o), p.backward(o)
	for i := range 3 {
		name := fmt.Sprintf("one.a.weight.%d", i)
		if !slices.Equal(tensorOf(t, first, wire.P, name), tensorOf(t, again, wire.P, name)) {
			t.Errorf("%s differs in a second run", name)
		}
	}
	if first.Find(wire.P, "one.a.weight.3") != nil {
		t.Error("there is a fourth vector")
	}
}

func TestTheEstimatedDiagonalTendsToTheHessians(t *testing.T) {
	p := secondOrderProblem(t)
	const products = 400
	set := p.backward(pipeline.BackwardOptions{SecondOrder: pipeline.Recursive, Vectors: products})
	dense := p.differences("")
	var got []float64
	for _, param := range p.parameters("") {
		got = append(got, tensorOf(t, set, wire.Hessian, param.Name)...)
	}
	for i := range got {
		row := dense[i*len(got) : (i+1)*len(got)]
		variance := 0.0
		for j, h := range row {
			if j != i {
				variance += h * h / products
			}
		}
		if d := got[i] - row[i]; !(math.Abs(d) <= 1e-6+6*math.Sqrt(variance)) {
			t.Errorf("entry %d is %g, expected %g within %g", i, got[i], row[i], 6*math.Sqrt(variance))
		}
	}
}

func TestCheckMeasuresTheErrorOfTheGradient(t *testing.T) {
	coarse := strings.ReplaceAll(between, `solver = { method = "rk4", step_size = 0.05 }`, `solver = { method = "dopri5", rtol = 1e-3, atol = 1e-3 }`)
	exact := strings.ReplaceAll(coarse, "field = [", "adjoint = { method = \"checkpointed\" }\nfield = [")
	for _, c := range []struct {
		name, model string
		least, most float64
	}{
		{"a coarse backsolve", coarse, 1e-7, 1e-2},
		{"the checkpointed gradient itself", exact, 0, 1e-14},
	} {
		p := newProblem(t, c.model, tensor.Buffer{F64: testkit.Normal(1, 2*rows)}, tensor.Buffer{F64: testkit.Normal(2, 2*rows)}, rows)
		set := p.backward(pipeline.BackwardOptions{SecondOrder: pipeline.None, Check: true})
		for _, name := range []string{"check", "check.one.a.weight"} {
			if e := tensorOf(t, set, wire.Scalar, name)[0]; !(e >= c.least && e <= c.most) {
				t.Errorf("%s: %s is %g, expected %g to %g", c.name, name, e, c.least, c.most)
			}
		}
	}
}

// Samples with intervals of their own are as those of mini-batches of one.
func TestIntervalsOfTheSamplesOwn(t *testing.T) {
	model := strings.ReplaceAll(top+lift+odeBlock("ode", 0, 1, 3, "")+head, "step_size = 0.05", "step_size = 0.01")
	x, y := testkit.Normal(1, 2*rows), testkit.Normal(2, 2*rows)
	t0, t1 := []float64{0, 0.2, 1}, []float64{1, 0.9, 0.3}
	column := func(name string, v []float64) wire.Column {
		return wire.Column{Name: name, Type: wire.Values, Value: tensor.Buffer{F64: v}}
	}
	p := newProblem(t, model, tensor.Buffer{F64: x}, tensor.Buffer{F64: y}, rows)
	p.batch.Columns = append(p.batch.Columns, column("t0", t0), column("t1", t1))
	got := p.backward(pipeline.BackwardOptions{SecondOrder: pipeline.SNOpt})
	mean := map[string][]float64{}
	for n := range rows {
		one := newProblem(t, strings.ReplaceAll(model, "t0 = 0\nt1 = 1", fmt.Sprintf("t0 = %g\nt1 = %g", t0[n], t1[n])),
			tensor.Buffer{F64: x[2*n : 2*n+2]}, tensor.Buffer{F64: y[2*n : 2*n+2]}, 1)
		set := one.backward(pipeline.BackwardOptions{SecondOrder: pipeline.SNOpt})
		for _, param := range p.parameters("") {
			g := tensorOf(t, set, wire.Grad, param.Name)
			if mean[param.Name] == nil {
				mean[param.Name] = make([]float64, len(g))
			}
			for i, v := range g {
				mean[param.Name][i] += v / rows
			}
		}
		end := tensorOf(t, got, wire.Grad, "ode.t1")[n] * rows
		testkit.Close(t, fmt.Sprintf("dL/dt1 of sample %d", n), []float64{end}, tensorOf(t, set, wire.Scalar, "ode.dphi_dt1"), 0, 1e-6)
		start := tensorOf(t, got, wire.Grad, "ode.t0")[n] * rows
		testkit.Close(t, fmt.Sprintf("dL/dt0 of sample %d", n), []float64{start}, tensorOf(t, set, wire.Scalar, "ode.dphi_dt0"), 0, 1e-6)
	}
	for name, want := range mean {
		testkit.Close(t, name, tensorOf(t, got, wire.Grad, name), want, 1e-9, 1e-6)
	}
}

// To measure the costs changes nothing else.
func TestCostsThatAreOnlyMeasured(t *testing.T) {
	p := newProblem(t, top+lift+odeBlock("ode", 0, 1, 3, "")+head, tensor.Buffer{F64: testkit.Normal(1, 2*rows)}, tensor.Buffer{F64: testkit.Normal(2, 2*rows)}, rows)
	run := func(measure bool) wire.Samples {
		var batches, out inMemory
		w := wire.NewSampleWriter(&batches, wire.Header{Kind: wire.Batch})
		if err := errors.Join(w.Write(&p.batch), w.Close()); err != nil {
			t.Fatal(err)
		}
		if err := pipeline.Forward(&p.params, &batches, &out, pipeline.ForwardOptions{Backend: reference, PathCosts: measure}); err != nil {
			t.Fatal(err)
		}
		var s wire.Samples
		if err := wire.NewSampleReader(&out, wire.Limits{}).Next(&s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	plain, measured := run(false), run(true)
	for _, name := range []string{"ode.x1", "pred", "loss"} {
		testkit.Close(t, name, measured.Column(name).Value.F64, plain.Column(name).Value.F64, 0, 0)
	}
	for _, name := range []string{"ode.kinetic", "ode.jacobian"} {
		for _, v := range measured.Column(name).Value.F64 {
			if !(v > 0) {
				t.Errorf("%s is %g", name, v)
			}
		}
	}
}

// Weights on the costs make the gradient that of the loss with them; their columns and scalars are the costs themselves.
func TestCostsAlongThePathArePartOfTheGradient(t *testing.T) {
	model := top + lift + strings.ReplaceAll(odeBlock("ode", 0, 1, 3, ""), "t1 = 1\n", "t1 = 1\nkinetic = 0.3\njacobian = 0.2\n") + head
	for _, method := range []string{"backsolve", "interpolated", "checkpointed"} {
		p := newProblem(t, strings.ReplaceAll(model, "field = [", fmt.Sprintf("adjoint = { method = %q }\nfield = [", method)),
			tensor.Buffer{F64: testkit.Normal(1, 2*rows)}, tensor.Buffer{F64: testkit.Normal(2, 2*rows)}, rows)
		set := p.backward(pipeline.BackwardOptions{SecondOrder: pipeline.None})
		penalised := func() float64 {
			s := p.backward(pipeline.BackwardOptions{SecondOrder: pipeline.None})
			scalar := func(name string) float64 { return tensorOf(t, s, wire.Scalar, name)[0] }
			return scalar("loss") + 0.3*scalar("ode.kinetic") + 0.2*scalar("ode.jacobian")
		}
		for _, param := range p.parameters("ode.a") {
			want := testkit.Gradient(func([]float64) float64 { return penalised() }, param.Value.F64)
			testkit.Close(t, method+": "+param.Name, tensorOf(t, set, wire.Grad, param.Name), want, 1e-6, 1e-4)
		}
	}
}
