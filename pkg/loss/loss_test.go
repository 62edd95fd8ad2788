package loss_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"odepipe/pkg/loss"
	"odepipe/pkg/tensor"
	"odepipe/pkg/testkit"
)

// problems has targets of three samples with four outputs for every loss.
var problems = map[string]loss.Target{
	"cross_entropy": {Class: []int32{2, 0, 3}},
	"nll":           {},
	"mse":           {Values: tensor.Buffer{F64: testkit.Normal(4, 12)}, Shape: []int{4}},
}

func TestGradientsAgreeWithDifferences(t *testing.T) {
	for _, l := range loss.Table {
		target, known := problems[l.Name]
		if !known {
			t.Errorf("%s is not under test", l.Name)
			continue
		}
		if err := l.Check(tensor.Of(4), target, 3); err != nil {
			t.Errorf("%s: %v", l.Name, err)
			continue
		}
		for n := range 3 {
			pred, grad := testkit.Normal(uint64(n), 4), make([]float64, 4)
			with := l.Row(pred, grad, target, n)
			if without := l.Row(pred, nil, target, n); with != without {
				t.Errorf("%s, sample %d: %g with a gradient, %g without", l.Name, n, with, without)
			}
			want := testkit.Gradient(func(z []float64) float64 { return l.Row(z, nil, target, n) }, pred)
			testkit.Close(t, fmt.Sprintf("%s, sample %d", l.Name, n), grad, want, 1e-9, 1e-8)
		}
	}
}

func TestLossesWorkedByHand(t *testing.T) {
	cases := []struct {
		name, loss string
		pred       []float64
		target     loss.Target
		want       float64
		grad       []float64
	}{
		{"two equal logits", "cross_entropy", []float64{0, 0}, loss.Target{Class: []int32{1}}, math.Ln2, []float64{0.5, -0.5}},
		{"logits whose exponential overflows", "cross_entropy", []float64{1000, 0}, loss.Target{Class: []int32{1}}, 1000, []float64{1, -1}},
		{"logits whose exponential underflows", "cross_entropy", []float64{-1000, -1000}, loss.Target{Class: []int32{0}}, math.Ln2, []float64{-0.5, 0.5}},
		{"one class", "cross_entropy", []float64{3}, loss.Target{Class: []int32{0}}, 0, []float64{0}},
		{"half of a squared distance", "mse", []float64{3, 5}, loss.Target{Values: tensor.Buffer{F32: []float32{0, 1}}, Shape: []int{2}}, 12.5, []float64{3, 4}},
	}
	for _, c := range cases {
		l, _ := loss.ByName(c.loss)
		grad := make([]float64, len(c.pred))
		got := l.Row(c.pred, grad, c.target, 0)
		testkit.Close(t, c.name, []float64{got}, []float64{c.want}, 0, 1e-15)
		testkit.Close(t, c.name+": gradient", grad, c.grad, 0, 1e-15)
	}
}

func TestTargetsThatDoNotFit(t *testing.T) {
	cases := []struct {
		name, loss string
		pred       tensor.Shape
		target     loss.Target
		rows       int
		want       string
	}{
		{"a class beyond the last", "cross_entropy", tensor.Of(3), loss.Target{Class: []int32{0, 2, 3}}, 3, "row 2 has class 3, the model has classes 0 to 2"},
		{"a class below 0", "cross_entropy", tensor.Of(3), loss.Target{Class: []int32{0, -1, 2}}, 3, "row 1 has class -1"},
		{"values where classes are due", "cross_entropy", tensor.Of(3), problems["mse"], 3, "int32 classes"},
		{"no target for classes", "cross_entropy", tensor.Of(3), loss.Target{}, 3, "int32 classes"},
		{"logits that are an image", "cross_entropy", tensor.Of(3, 1, 1), problems["cross_entropy"], 3, "[3, 1, 1]"},
		{"classes where values are due", "mse", tensor.Of(4), problems["cross_entropy"], 3, "values [4]"},
		{"no target for values", "mse", tensor.Of(4), loss.Target{}, 3, "values [4]"},
		{"values of another shape", "mse", tensor.Of(2, 2, 1), problems["mse"], 3, "y has shape [4], the model's output [2, 2, 1]"},
	}
	for _, c := range cases {
		l, _ := loss.ByName(c.loss)
		err := l.Check(c.pred, c.target, c.rows)
		if !errors.Is(err, loss.ErrTarget) || !strings.Contains(fmt.Sprint(err), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

func TestOnlyTheRowsInUseAreChecked(t *testing.T) {
	l, _ := loss.ByName("cross_entropy")
	if err := l.Check(tensor.Of(3), loss.Target{Class: []int32{0, 9}}, 1); err != nil {
		t.Error(err)
	}
}

// TestLossesOfWhatIsNotFiniteAreNotFinite: callers find a NaN by the loss alone.
func TestLossesOfWhatIsNotFiniteAreNotFinite(t *testing.T) {
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		for _, l := range loss.Table {
			pred := []float64{0.1, 0.2, bad, 0.3}
			if got := l.Row(pred, nil, problems[l.Name], 0); !math.IsNaN(got) && !math.IsInf(got, 0) {
				t.Errorf("%s of %v is %g", l.Name, pred, got)
			}
		}
	}
}

func TestByName(t *testing.T) {
	for _, l := range loss.Table {
		if got, ok := loss.ByName(l.Name); !ok || got.Name != l.Name {
			t.Errorf("%s is found as %q, %v", l.Name, got.Name, ok)
		}
	}
	if _, ok := loss.ByName("hinge"); ok {
		t.Error("hinge is found")
	}
}

// TestFactorsOfTheHessian holds S S^T, draws and Hessian-vector products to differences of the gradient.
func TestFactorsOfTheHessian(t *testing.T) {
	const width, step, draws = 4, 1e-5, 200000
	for _, l := range loss.Table {
		pred := testkit.Normal(7, width)
		hessian := make([]float64, width*width)
		above, below := make([]float64, width), make([]float64, width)
		for d := range width {
			shifted := slices.Clone(pred)
			shifted[d] += step
			l.Row(shifted, above, problems[l.Name], 0)
			shifted[d] -= 2 * step
			l.Row(shifted, below, problems[l.Name], 0)
			for c := range width {
				hessian[c*width+d] = (above[c] - below[c]) / (2 * step)
			}
		}
		rows := make([][]float64, l.Rank(width))
		for i := range rows {
			rows[i] = make([]float64, width)
		}
		l.Factor(rows, pred)
		testkit.Close(t, l.Name+": S S^T", outer(rows, width), hessian, 1e-9, 1e-8)

		v, product, want := testkit.Normal(8, width), make([]float64, width), make([]float64, width)
		for c := range want {
			for d := range v {
				want[c] += hessian[c*width+d] * v[d]
			}
		}
		l.HessianVector(product, rows, pred, v)
		testkit.Close(t, l.Name+": Hessian times vector", product, want, 1e-9, 1e-8)

		rng := rand.New(rand.NewPCG(1, 2))
		mean, s := make([]float64, width*width), make([]float64, width)
		for range draws {
			l.Draw(s, pred, rng.Float64, rng.NormFloat64)
			for i, ss := range outer([][]float64{s}, width) {
				mean[i] += ss / draws
			}
		}
		testkit.Close(t, l.Name+": mean of draws", mean, hessian, 0.01, 0)
	}
}

// outer is sum_i rows[i] rows[i]^T.
func outer(rows [][]float64, width int) []float64 {
	sum := make([]float64, width*width)
	for _, s := range rows {
		for i := range width {
			for j := range width {
				sum[i*width+j] += s[i] * s[j]
			}
		}
	}
	return sum
}
