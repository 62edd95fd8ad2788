package pipeline_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// imageModel has every kind of affine layer, in plain blocks and in the field.
const imageModel = `
name = "images"
input = [1, 6, 6]
loss = "cross_entropy"

[[block]]
type = "conv2d"
name = "lift"
in = 1
out = 3
kernel = 3
stride = 2
padding = 1

[[block]]
type = "ode"
name = "ode"
solver = { method = "dopri5", rtol = 1e-3, atol = 1e-3 }
field = [
  { type = "conv2d", name = "conv", in = 3, out = 3, kernel = 3, padding = 1, time = "concat" },
  { type = "softplus" },
]

[[block]]
type = "flatten"

[[block]]
type = "linear"
name = "head"
in = 27
out = 3
`

// flowModel and rowsModel are a flow on two features and an ODE-RNN that reads pictures row by row.
const (
	flowModel = `
name = "flow"
input = [2]
loss = "nll"

[[block]]
type = "cnf"
name = "cnf"
divergence = "rademacher"
field = [
  { type = "concatsquash", name = "c1", in = 2, out = 8 },
  { type = "tanh" },
  { type = "concatsquash", name = "c2", in = 8, out = 2 },
]
`
	rowsModel = `
name = "rows"
input = [6, 6]
loss = "cross_entropy"

[[block]]
type = "ode_rnn"
name = "rnn"
hidden = 4
field = [{ type = "linear", name = "f1", in = 4, out = 4 }, { type = "tanh" }]

[[block]]
type = "linear"
name = "head"
in = 4
out = 3
`
)

// images writes n bars across 6 by 6 pixels as x.npy, as series of their rows as rows.npy, and where they lie as y.npy, 3
// classes.
func images(t testing.TB, folder string, n int) {
	t.Helper()
	x, y := make([]float64, 36*n), make([]int64, n)
	for i := range n {
		y[i] = int64(i % 3)
		for p := range 36 {
			x[36*i+p] = 0.3 * math.Sin(float64(i*36+p)*7.1)
			if int64(p/12) == y[i] {
				x[36*i+p]++
			}
		}
	}
	npy(t, folder, "x.npy", []int{n, 1, 6, 6}, x)
	npy(t, folder, "rows.npy", []int{n, 6, 6}, x)
	npy(t, folder, "y.npy", []int{n}, y)
}

// script is the path of one of the scripts, quoted for the shell.
func script(name string) string { return "'" + filepath.Join(programs, "scripts", name) + "'" }

// sameFile fails unless two files hold the same bytes.
func sameFile(t testing.TB, what, got, want string) {
	t.Helper()
	a, err := os.ReadFile(got)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(want)
	if err != nil {
		t.Fatal(err)
	}
	if string(a) != string(b) {
		t.Errorf("%s: %s and %s differ", what, got, want)
	}
}

// logged fails unless a run's log has each of the first n steps once, in order. It returns the losses.
func logged(t testing.TB, run string, n int) []float64 {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(run, "log.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var losses []float64
	for i, line := range strings.Split(strings.TrimSuffix(string(content), "\n"), "\n") {
		var record struct {
			Step int
			Loss float64
		}
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatalf("line %d of the log: %v\n%s", i+1, err, line)
		}
		if record.Step != i {
			t.Fatalf("line %d of the log has step %d", i+1, record.Step)
		}
		losses = append(losses, record.Loss)
	}
	if len(losses) != n {
		t.Fatalf("the log has %d steps, expected %d", len(losses), n)
	}
	return losses
}

// TestTheRingAndIterationsBySeparateProcessesAgree compares whole checkpoints, byte for byte.
func TestTheRingAndIterationsBySeparateProcessesAgree(t *testing.T) {
	spirals := script("models/spirals.toml")
	cases := map[string]struct {
		model, data, batch, settings string
		steps                        int
	}{
		"SNOpt with refreshes in between":        {spirals, "spirals", "--batch=32 --seed=3", "--optimizer=snopt --freq=20", 50},
		"SGD with momentum":                      {spirals, "spirals", "--batch=32", "--optimizer=sgd --momentum=0.9 --lr=0.1", 50},
		"Adam":                                   {spirals, "spirals", "--batch=32", "--optimizer=adam", 50},
		"factors at the stages of drawn vectors": {spirals, "spirals", "--batch=32", "--freq=3 --factors=stages --terminal=sampled --rank=2", 7},
		"a flow":                                 {"./flow.toml", "circle", "--batch=32", "--freq=3 --factors=stages", 6},
		"series":                                 {"./rows.toml", "./rows.npy", "--batch=10 --y=./y.npy", "--freq=3 --group='!rnn.f*=adam'", 6},
		"SNOpt on images from files":             {"./images.toml", "./x.npy", "--batch=10 --y=./y.npy", "--freq=4 --group='head.*=adam'", 11},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, "images.toml", imageModel)
			write(t, dir, "flow.toml", flowModel)
			write(t, dir, "rows.toml", rowsModel)
			images(t, dir, 40)
			train := fmt.Sprintf("%s %s %s 'a run' %s %s --steps=%d", script("train.sh"), c.model, c.data, c.batch, c.settings, c.steps)
			run(t, dir, strings.Replace(train, "a run", "one", 1)+" --threads=1")
			run(t, dir, strings.Replace(train, "a run", "two", 1)+" --threads=2")
			seed := ""
			if strings.Contains(c.batch, "--seed=3") {
				seed = "--seed=3"
			}
			run(t, dir, fmt.Sprintf(`kfacstep init --model=%s %s %s > "it er.arrow"
				for ((k = 0; k < %d; k++)); do %s "it er.arrow" %s $k %s --threads=$((k %% 2 + 1)); done`,
				c.model, seed, c.settings, c.steps, script("iterate.sh"), c.data, c.batch))
			sameFile(t, "two threads", filepath.Join(dir, "two/checkpoint.arrow"), filepath.Join(dir, "one/checkpoint.arrow"))
			sameFile(t, "separate processes", filepath.Join(dir, "it er.arrow"), filepath.Join(dir, "one/checkpoint.arrow"))
			logged(t, filepath.Join(dir, "one"), c.steps)
			if left, _ := filepath.Glob(filepath.Join(dir, ".step-*")); len(left) > 0 {
				t.Errorf("iterate.sh left %v", left)
			}
		})
	}
}

// TestIterationKeepsItsFilesOnRequest looks at the names that iterate.sh promises.
func TestIterationKeepsItsFilesOnRequest(t *testing.T) {
	dir := t.TempDir()
	run(t, dir, fmt.Sprintf(`kfacstep init --model=%s > ck.arrow; KEEP=1 %s ck.arrow spirals 0`, script("models/spirals.toml"), script("iterate.sh")))
	for _, name := range []string{"batch", "state", "gradient", "params"} {
		if info, err := os.Stat(filepath.Join(dir, "step-0."+name+".arrow")); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestStoppedRunsResume cuts a run in two by --steps, also with the second half's settings left to the run.
func TestStoppedRunsResume(t *testing.T) {
	dir := t.TempDir()
	train := func(folder, settings string) {
		run(t, dir, fmt.Sprintf("%s %s spirals '%s' %s", script("train.sh"), script("models/spirals.toml"), folder, settings))
	}
	settings := "--batch=32 --seed=5 --freq=20 --group='lift.*=lr=0.02' --group='head.*=adam' "
	train("whole", settings+"--steps=50")
	train("cut", settings+"--steps=20")
	logged(t, filepath.Join(dir, "cut"), 20)
	if err := os.Rename(filepath.Join(dir, "cut"), filepath.Join(dir, "a moved run")); err != nil {
		t.Fatal(err)
	}
	train("a moved run", "--steps=50")
	sameFile(t, "cut", filepath.Join(dir, "a moved run/checkpoint.arrow"), filepath.Join(dir, "whole/checkpoint.arrow"))
	logged(t, filepath.Join(dir, "a moved run"), 50)
	run(t, dir, "cd /; bash '"+dir+"/a moved run/command'") // it is done: nothing happens
	logged(t, filepath.Join(dir, "a moved run"), 50)
	if err := os.RemoveAll(filepath.Join(dir, "whole", "checkpoint.arrow")); err != nil {
		t.Fatal(err)
	}
	run(t, dir, "cd /; bash '"+dir+"/whole/command'")
	sameFile(t, "repeated", filepath.Join(dir, "whole/checkpoint.arrow"), filepath.Join(dir, "a moved run/checkpoint.arrow"))
	train("epochs", "--batch=5000 --epochs=2")
	train("epochs", "--epochs=2")
	logged(t, filepath.Join(dir, "epochs"), 4)
	train("epochs", "--epochs=3")
	logged(t, filepath.Join(dir, "epochs"), 6)
}
