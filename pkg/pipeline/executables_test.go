package pipeline_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nlpodyssey/safetensors"

	"odepipe/pkg/testkit"
	"odepipe/pkg/wire"
)

// programs is a folder laid out as the repository is after scripts/build.sh: scripts and bin.
var programs string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		folder, err := os.MkdirTemp("", "odepipe")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(folder)
		for _, command := range [][]string{
			{"go", "build", "-o", filepath.Join(folder, "bin") + "/", "odepipe/cmd/..."},
			{"cp", "-r", "../../scripts", folder},
		} {
			if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
				fmt.Fprintf(os.Stderr, "%s: %v\n%s", strings.Join(command, " "), err, out)
				return 1
			}
		}
		programs = folder
		os.Setenv("PATH", filepath.Join(folder, "bin")+":"+os.Getenv("PATH"))
		return m.Run()
	}())
}

// shell runs a script in a folder and returns standard output, standard error and the exit status.
func shell(t testing.TB, folder, script string) (stdout, stderr string, status int) {
	t.Helper()
	c := exec.Command("bash", "-o", "pipefail", "-c", script)
	c.Dir = folder
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	err := c.Run()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		t.Fatal(err)
	}
	return out.String(), errs.String(), c.ProcessState.ExitCode()
}

// run is shell for a script that must succeed and say nothing on standard error.
func run(t testing.TB, folder, script string) string {
	t.Helper()
	out, errs, status := shell(t, folder, script)
	if status != 0 || errs != "" {
		t.Fatalf("%s\nexit status %d\n%s", script, status, errs)
	}
	return out
}

func write(t testing.TB, folder, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o666); err != nil {
		t.Fatal(err)
	}
}

// npy writes a NumPy file of float64, or of int64 if values are integers.
func npy[V float64 | int64](t testing.TB, folder, name string, shape []int, values []V) {
	t.Helper()
	descr := "<f8"
	if _, integers := any(values).([]int64); integers {
		descr = "<i8"
	}
	dims := ""
	for _, d := range shape {
		dims += fmt.Sprintf("%d, ", d)
	}
	header := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", descr, dims)
	header += strings.Repeat(" ", 63-(10+len(header))%64) + "\n"
	file := []byte("\x93NUMPY\x01\x00")
	file = binary.LittleEndian.AppendUint16(file, uint16(len(header)))
	file = append(file, header...)
	for _, v := range values {
		switch v := any(v).(type) {
		case float64:
			file = binary.LittleEndian.AppendUint64(file, math.Float64bits(v))
		case int64:
			file = binary.LittleEndian.AppendUint64(file, uint64(v))
		}
	}
	write(t, folder, name, string(file))
}

type weight struct {
	name   string
	shape  []uint64
	values []float64
}

// weights writes a safetensors file of float64.
func weights(t testing.TB, folder, name string, tensors []weight) {
	t.Helper()
	views := map[string]safetensors.TensorView{}
	for _, w := range tensors {
		var data []byte
		for _, v := range w.values {
			data = binary.LittleEndian.AppendUint64(data, math.Float64bits(v))
		}
		view, err := safetensors.NewTensorView(safetensors.F64, w.shape, data)
		if err != nil {
			t.Fatal(err)
		}
		views[w.name] = view
	}
	var file bytes.Buffer
	if err := safetensors.SerializeToWriter(views, nil, &file); err != nil {
		t.Fatal(err)
	}
	write(t, folder, name, file.String())
}

// gradientOf reads a gradient stream of one mini-batch.
func gradientOf(t testing.TB, path string) *wire.Set {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r := wire.NewTensorReader(file, wire.Limits{})
	var set wire.Set
	if err := r.Next(&set); err != nil {
		t.Fatal(err)
	}
	first := set.Clone()
	if err := r.Next(&set); err != io.EOF {
		t.Fatalf("after the first mini-batch: %v", err)
	}
	return first
}

// statesOf reads a state stream of one mini-batch.
func statesOf(t testing.TB, path string) map[string][]float64 {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r := wire.NewSampleReader(file, wire.Limits{})
	var s wire.Samples
	if err := r.Next(&s); err != nil {
		t.Fatal(err)
	}
	values := map[string][]float64{}
	for _, c := range s.Columns {
		for i := range c.Value.Len() {
			values[c.Name] = append(values[c.Name], c.Value.At(i))
		}
		for _, v := range c.I32 {
			values[c.Name] = append(values[c.Name], float64(v))
		}
	}
	return values
}

func tensorOf(t testing.TB, set *wire.Set, role wire.Role, name string) []float64 {
	t.Helper()
	x := set.Find(role, name)
	if x == nil {
		t.Fatalf("no %s %s", role, name)
	}
	values := make([]float64, x.Value.Len())
	for i := range values {
		values[i] = x.Value.At(i)
	}
	return values
}

// within holds got to want with an error of at most rel times the largest element, as the golden files' own checks do.
func within(t testing.TB, what string, got, want []float64, rel float64) {
	t.Helper()
	largest := 0.0
	for _, v := range want {
		largest = max(largest, math.Abs(v))
	}
	testkit.Close(t, what, got, want, rel*largest, 0)
}

type goldenMLP struct {
	W1     [][]float64    `json:"W1"`
	B1     []float64      `json:"b1"`
	W2     [][]float64    `json:"W2"`
	B2     []float64      `json:"b2"`
	X0     [][]float64    `json:"x0"`
	Labels []int64        `json:"labels"`
	X1     [][]float64    `json:"x_t1"`
	Loss   float64        `json:"loss"`
	Losses []float64      `json:"sample_losses"`
	DTheta []float64      `json:"dL_dtheta"`
	DT1    float64        `json:"dL_dt1"`
	KronA  [2][][]float64 `json:"kron_A"`
	KronB  [2][][]float64 `json:"kron_B"`
}

const goldenModel = `
name = "golden"
dtype = "float64"
input = [3]
loss = "cross_entropy"

[[block]]
type = "ode"
name = "ode"
solver = { method = "dopri5", rtol = 1e-10, atol = 1e-10 }
field = [
  { type = "linear", name = "a", in = 3, out = 5 },
  { type = "tanh" },
  { type = "linear", name = "b", in = 5, out = 3 },
]
`

// TestGoldenThroughTheExecutables holds the whole pipeline, in float64, to exact results.
func TestGoldenThroughTheExecutables(t *testing.T) {
	var g goldenMLP
	testkit.Golden(t, "mlp_ode", &g)
	dir := t.TempDir()
	write(t, dir, "model.toml", goldenModel)
	npy(t, dir, "x.npy", []int{4, 3}, slices.Concat(g.X0...))
	npy(t, dir, "y.npy", []int{4}, g.Labels)
	weights(t, dir, "w.safetensors", []weight{
		{"ode.a.weight", []uint64{5, 3}, slices.Concat(g.W1...)}, {"ode.a.bias", []uint64{5}, g.B1},
		{"ode.b.weight", []uint64{3, 5}, slices.Concat(g.W2...)}, {"ode.b.bias", []uint64{3}, g.B2},
	})
	run(t, dir, `kfacstep init --model ./model.toml --weights w.safetensors --optimizer sgd --lr 0.1 > ck.arrow
		datagen --x x.npy --y y.npy --batch 4 --shuffle=false | odeforward --params ck.arrow | tee state.arrow |
		odebackward --params ck.arrow --second-order snopt --factor-step 0.001 > gradient.arrow`)
	states := statesOf(t, filepath.Join(dir, "state.arrow"))
	within(t, "x1", states["ode.x1"], slices.Concat(g.X1...), 1e-8)
	within(t, "pred", states["pred"], slices.Concat(g.X1...), 1e-8)
	within(t, "loss of each sample", states["loss"], g.Losses, 1e-8)
	set := gradientOf(t, filepath.Join(dir, "gradient.arrow"))
	scalar := func(name string) []float64 { return tensorOf(t, set, wire.Scalar, name) }
	within(t, "loss", scalar("loss"), []float64{g.Loss}, 1e-8)
	within(t, "dL/dt1", scalar("ode.dphi_dt1"), []float64{g.DT1}, 1e-8)
	testkit.Close(t, "batch_size", scalar("batch_size"), []float64{4}, 0, 0)
	testkit.Close(t, "nfe_forward", scalar("nfe_forward"), states["nfe"][:1], 0, 0)
	var dtheta []float64
	for _, name := range []string{"ode.a.weight", "ode.a.bias", "ode.b.weight", "ode.b.bias"} {
		dtheta = append(dtheta, tensorOf(t, set, wire.Grad, name)...)
	}
	within(t, "gradient", dtheta, g.DTheta, 1e-8)
	for i, layer := range []string{"ode.a", "ode.b"} {
		within(t, "kron_a of "+layer, tensorOf(t, set, wire.KronA, layer), slices.Concat(g.KronA[i]...), 1e-4)
		within(t, "kron_b of "+layer, tensorOf(t, set, wire.KronB, layer), slices.Concat(g.KronB[i]...), 1e-4)
	}
}

// TestLinearProblemsThroughTheExecutables solves those problems of ode_table.json that a linear layer can state.
func TestLinearProblemsThroughTheExecutables(t *testing.T) {
	var g struct {
		Problems map[string]struct {
			T0, T1 float64
			X0     []float64 `json:"x0"`
			X1     []float64 `json:"x_t1"`
		}
	}
	testkit.Golden(t, "ode_table", &g)
	cases := []struct {
		problem, solver string
		matrix          []float64
	}{
		{"exp_decay", `method = "dopri5", rtol = 1e-11, atol = 1e-12`, []float64{-2}},
		{"exp_decay", `method = "rk4", step_size = 0.002`, []float64{-2}},
		{"stiff_linear", `method = "dopri5", rtol = 1e-11, atol = 1e-12`, []float64{-1, 3, 0, -3, -1, 0, 1, 2, -80}},
		{"stiff_linear", `method = "rk4", step_size = 0.0005`, []float64{-1, 3, 0, -3, -1, 0, 1, 2, -80}},
	}
	for _, c := range cases {
		t.Run(c.problem+" "+c.solver, func(t *testing.T) {
			p := g.Problems[c.problem]
			d := len(p.X0)
			dir := t.TempDir()
			write(t, dir, "model.toml", fmt.Sprintf(`
name = "linear"
dtype = "float64"
input = [%d]
loss = "mse"
[[block]]
type = "ode"
name = "ode"
t0 = %g
t1 = %g
solver = { %s }
field = [ { type = "linear", name = "a", in = %d, out = %d, bias = false } ]
`, d, p.T0, p.T1, c.solver, d, d))
			npy(t, dir, "x.npy", []int{1, d}, p.X0)
			npy(t, dir, "y.npy", []int{1, d}, p.X1)
			weights(t, dir, "w.safetensors", []weight{{"ode.a.weight", []uint64{uint64(d), uint64(d)}, c.matrix}})
			run(t, dir, `kfacstep init --model ./model.toml --weights w.safetensors --optimizer sgd --lr 0.1 > ck.arrow
				datagen --x x.npy --y y.npy --batch 1 | odeforward --params ck.arrow > state.arrow`)
			testkit.Close(t, "x1", statesOf(t, filepath.Join(dir, "state.arrow"))["ode.x1"], p.X1, 1e-10, 1e-8)
			var figures struct{ Samples, Loss float64 }
			if err := json.Unmarshal([]byte(run(t, dir, `evalmodel < state.arrow`)), &figures); err != nil {
				t.Fatal(err)
			}
			testkit.Close(t, "samples, loss", []float64{figures.Samples, figures.Loss}, []float64{1, 0}, 1e-16, 0)
		})
	}
}

// TestFactorsComeWhenTheOptimizerWantsThem looks at a pipeline of several mini-batches on one checkpoint file.
func TestFactorsComeWhenTheOptimizerWantsThem(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		flags string
		want  []bool // by mini-batch
	}{
		{"", []bool{true, false, true, false, true}},
		{"--second-order=snopt", []bool{true, true, true, true, true}},
		{"--second-order=none", []bool{false, false, false, false, false}},
	} {
		run(t, dir, `kfacstep init --model `+filepath.Join(programs, "scripts/models/spirals.toml")+` --freq 2 > ck.arrow
			datagen spirals --batch 20 --count 5 | odeforward --params ck.arrow |
			odebackward --params ck.arrow `+c.flags+` > gradient.arrow`)
		file, err := os.Open(filepath.Join(dir, "gradient.arrow"))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		r := wire.NewTensorReader(file, wire.Limits{})
		var set wire.Set
		var got []bool
		for r.Next(&set) == nil {
			got = append(got, set.Find(wire.KronA, "ode.hidden") != nil && set.Find(wire.KronB, "head") != nil)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%q: factors of mini-batches %v, want %v", c.flags, got, c.want)
		}
	}
}
