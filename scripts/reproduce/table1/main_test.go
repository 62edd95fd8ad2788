package main

import (
	"bytes"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"odepipe/pkg/tensor"
	"odepipe/pkg/testkit"
	"odepipe/pkg/wire"
)

// script runs scripts/reproduce/table1.sh at the root of the repository.
func script(t *testing.T, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	c := exec.Command("scripts/reproduce/table1.sh", args...)
	c.Dir = testkit.Root(t)
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil && c.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), c.ProcessState.ExitCode()
}

// A small model of another data set stands for the pictures.
func TestTheScriptPrintsItsTable(t *testing.T) {
	out, errs, status := script(t, "--model=scripts/models/spirals.toml", "--dataset", "spirals", "--batch=1")
	if want := "table1.sh: the truth for relu\ntable1.sh: the truth for tanh\n"; status != 0 || errs != want {
		t.Fatalf("exit status %d\n%s", status, errs)
	}
	_, smooth, found := strings.Cut(out, "field with tanh (smooth)")
	if !found || !strings.Contains(out, "field with relu (the paper's, not smooth)") {
		t.Fatalf("not both fields\n%s", out)
	}
	tolerances := map[string]float64{"rk4, steps of 0.05": 1e-5, "implicit_adams, steps of 0.05": 1e-5, "dopri5, 1e-3": 1e-2, "dopri5, 1e-6": 1e-3}
	for name, tolerance := range tolerances {
		_, rest, _ := strings.Cut(smooth, name)
		line, _, _ := strings.Cut(rest, "\n")
		words := strings.Fields(line) // evaluations, then error and evaluations of each derivative
		errorsSeen := 0
		for _, word := range words[1:] {
			if word == "-" && strings.Contains(name, "adams") || strings.HasPrefix(word, "(") {
				continue
			}
			errorsSeen++
			if e, err := strconv.ParseFloat(word, 64); err != nil || !(e <= tolerance) {
				t.Errorf("%s: error %s, expected at most %g", name, word, tolerance)
			}
		}
		if want := 5 - strings.Count(line, " - "); errorsSeen != want || want < 4 {
			t.Errorf("%s: %d errors in %q", name, errorsSeen, line)
		}
	}
}

func TestTheScriptRefuses(t *testing.T) {
	cases := map[string]struct {
		args    []string
		status  int
		message string // a part of the only line on standard error
	}{
		"an unknown flag":         {[]string{"--batches=3"}, 2, "unexpected --batches"},
		"a flag without value":    {[]string{"--model"}, 2, "--model needs a value"},
		"a mini-batch of nothing": {[]string{"--batch=0"}, 2, "--batch 0: it must be a whole number above 0"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			out, errs, status := script(t, c.args...)
			if status != c.status || out != "" || !strings.Contains(errs, c.message) || strings.Count(errs, "\n") != 1 {
				t.Errorf("exit status %d\n%s%s", status, out, errs)
			}
		})
	}
	if out, errs, status := script(t, "--help"); status != 0 || errs != "" || !strings.Contains(out, "--dataset") {
		t.Errorf("--help: exit status %d\n%s%s", status, out, errs)
	}
}

// small has an ODE block of two parameters, a weight [1, 1] and a bias [1], between layers that are not compared.
const small = `
name = "small"
input = [1]
loss = "mse"
[[block]]
type = "linear"
name = "lift"
in = 1
out = 1
[[block]]
type = "ode"
name = "ode"
field = [ { type = "linear", name = "a", in = 1, out = 1 } ]
`

// stream writes a gradient stream of the small model and returns its path.
func stream(t *testing.T, name string, kind wire.Kind, tensors ...wire.Tensor) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	set := wire.Set{Tensors: tensors}
	set.AddScalar("nfe_forward", 14)
	set.AddScalar("nfe_backward", 20)
	w := wire.NewTensorWriter(f, wire.Header{Kind: kind, Model: small}, tensor.Float64)
	for _, err := range []error{w.Write(&set), w.Close(), f.Close()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func of(role wire.Role, name string, shape []int, values ...float64) wire.Tensor {
	return wire.Tensor{Name: name, Role: role, Shape: shape, Value: tensor.Buffer{F64: values}}
}

func gradient(weight, bias float64) []wire.Tensor {
	return []wire.Tensor{of(wire.Grad, "lift.weight", []int{1, 1}, math.Pi), of(wire.Grad, "ode.a.weight", []int{1, 1}, weight), of(wire.Grad, "ode.a.bias", []int{1}, bias)}
}

func TestGradientsAreComparedWithTheMeanOfTheTruths(t *testing.T) {
	own := stream(t, "own", wire.Gradient, gradient(3.3, 4.4)...)
	first, second := stream(t, "first", wire.Gradient, gradient(6, 0)...), stream(t, "second", wire.Gradient, gradient(0, 8)...)
	var out bytes.Buffer
	if err := run(&out, []string{"grad", own, first, second}); err != nil {
		t.Fatal(err)
	}
	if want := "1.00e-01 14 20\n"; out.String() != want { // |(0.3, 0.4)| / |(3, 4)|
		t.Errorf("got %q, expected %q", &out, want)
	}
}

func TestRowsMakeADiagonal(t *testing.T) {
	two := stream(t, "two", wire.Gradient, // vectors of two samples
		of(wire.P, "ode.a.weight.0", []int{2, 1}, 1, 3), of(wire.P, "ode.a.weight.1", []int{2, 1}, 2, 0),
		of(wire.P, "ode.a.bias.0", []int{2, 1}, 0, 1), of(wire.P, "ode.a.bias.1", []int{2, 1}, 1, -2))
	one := stream(t, "one", wire.Gradient, of(wire.P, "ode.a.weight", []int{1, 1}, math.Sqrt(8)), of(wire.P, "ode.a.bias", []int{1, 1}, math.Sqrt(3)))
	for path, want := range map[string][]float64{two: {7, 3}, one: {8, 3}} {
		d, err := read(path, wire.P)
		if err != nil {
			t.Fatal(err)
		}
		testkit.Close(t, "diagonal", d.values, want, 0, 1e-14)
	}
}

func TestWrongStreams(t *testing.T) {
	own := stream(t, "own", wire.Gradient, gradient(1, 2)...)
	params := stream(t, "params", wire.Params, gradient(1, 2)...)
	cases := map[string]struct {
		args []string
		want error
	}{
		"no truth":                 {[]string{"grad", own}, errUsage},
		"an unknown role":          {[]string{"param", own, own}, errUsage},
		"a role that it lacks":     {[]string{"hessian", own, own}, errStream},
		"rows that it lacks":       {[]string{"p", own, own}, errStream},
		"a stream of other things": {[]string{"grad", own, params}, wire.ErrKind},
		"no such file":             {[]string{"grad", own + "er", own}, os.ErrNotExist},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if err := run(&out, c.args); !errors.Is(err, c.want) || out.Len() > 0 {
				t.Errorf("got %v, expected %v", err, c.want)
			}
		})
	}
}
