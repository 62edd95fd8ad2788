package pipeline_test

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// stiffModel cannot be solved in five steps.
const stiffModel = `
name = "stiff"
input = [2]
loss = "cross_entropy"

[[block]]
type = "ode"
name = "ode"
t1 = 100.0
solver = { method = "dopri5", rtol = 1e-6, atol = 1e-6, max_steps = 5 }
field = [ { type = "linear", name = "a", in = 2, out = 2 } ]
`

// TestTrainRefuses gives train.sh what it must not accept: in a folder where 'old' is a run of 2 steps.
func TestTrainRefuses(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "stiff.toml", stiffModel)
	write(t, dir, "images.toml", imageModel)
	images(t, dir, 40)
	spirals := script("models/spirals.toml")
	run(t, dir, script("train.sh")+" "+spirals+" spirals old --steps=2 --lr=0.02 --group='head.*=adam'")
	before, err := os.ReadFile(filepath.Join(dir, "old/checkpoint.arrow"))
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		arguments string
		status    int
		message   string // a part of the only line on standard error, or of the first of two
	}{
		"a run with another rate":          {spirals + " spirals old --lr=0.03", 1, "made with lr 0.02, not 0.03"},
		"a run with another batch":         {spirals + " spirals old --batch=64", 1, "made with batch left at its default, not 64"},
		"a run with another seed":          {spirals + " spirals old --seed 1", 1, "made with seed left at its default, not 1"},
		"a run with another group":         {spirals + " spirals old --group='head.*=sgd'", 1, "made with group head.*=adam, not head.*=sgd"},
		"a run with another data set":      {spirals + " annuli old", 1, "made with DATASET spirals, not annuli"},
		"a run with another model":         {"stiff.toml spirals old", 1, "made with another MODEL"},
		"a run with a preset instead":      {"mnist spirals old", 1, "made with MODEL"},
		"an unknown setting":               {spirals + " spirals new --learning-rate=1", 2, "kfacstep init: unknown flag: --learning-rate"},
		"a bad value":                      {spirals + " spirals new --lr=fast", 2, "lr"},
		"an unknown flag":                  {spirals + " spirals new -z", 2, "unknown flag -z"},
		"a setting without its value":      {spirals + " spirals new --lr", 2, "--lr needs a value"},
		"steps and epochs":                 {spirals + " spirals new --steps=1 --epochs=1", 2, "exclude each other"},
		"steps that are no number":         {spirals + " spirals new --steps=ten", 2, "--steps ten: it must be a whole number"},
		"no RUNDIR":                        {spirals + " spirals", 2, "expected MODEL DATASET RUNDIR"},
		"a fourth word":                    {spirals + " spirals new newer", 2, "expected MODEL DATASET RUNDIR"},
		"an unknown model":                 {"spirlas spirals new", 2, "no such preset"},
		"a model file that is not there":   {"./none.toml spirals new", 1, "none.toml"},
		"an unknown data set":              {spirals + " spirlas new", 2, "spirlas"},
		"a data file that is not there":    {spirals + " ./none.npy new", 1, "none.npy"},
		"data that do not fit the model":   {"images.toml spirals new", 1, "odeforward"},
		"an unknown device":                {spirals + " spirals new --device=abacus", 2, "--device abacus"},
		"a first mini-batch that diverges": {"stiff.toml spirals new", 3, "odeforward: mini-batch 0: block ode: "},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, errs, status := shell(t, dir, script("train.sh")+" "+c.arguments)
			lines := strings.Split(strings.TrimSuffix(errs, "\n"), "\n")
			if len(lines) == 2 && strings.HasPrefix(lines[1], "try '") {
				lines = lines[:1]
			}
			if status != c.status || len(lines) != 1 || !strings.Contains(lines[0], c.message) {
				t.Errorf("exit status %d, expected %d and %q\n%s", status, c.status, c.message, errs)
			}
			if _, err := os.Stat(filepath.Join(dir, "new")); !os.IsNotExist(err) {
				t.Errorf("RUNDIR: %v", err)
			}
		})
	}
	after, err := os.ReadFile(filepath.Join(dir, "old/checkpoint.arrow"))
	if err != nil || string(after) != string(before) {
		t.Errorf("the run that was there has changed: %v", err)
	}
}

// TestTrainAccepts gives it what it must, one line after another in one folder.
func TestTrainAccepts(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a model.toml", imageModel)
	images(t, dir, 40)
	write(t, dir, "x.csv", strings.Repeat("0.5,1\n-0.5,0\n", 20))
	write(t, dir, "y.csv", strings.Repeat("1\n0\n", 20))
	spirals := script("models/spirals.toml")
	run(t, dir, "kfacstep init --model="+spirals+" --seed=9 > ck.arrow; kfacstep export --checkpoint=ck.arrow > w.safetensors")
	cases := []struct {
		name, arguments, run string
		steps                int // of the run after it
	}{
		{"paths with blanks", "'a model.toml' x.npy 'new run' --y y.npy --batch 10", "new run", 4},
		{"comma-separated values", spirals + " x.csv csv --y=y.csv --batch=8", "csv", 5},
		{"more epochs of a run, its settings given again", spirals + " x.csv csv --y=y.csv --batch=8 --epochs=2", "csv", 10},
		{"a run's copy of its model, its settings left out", "csv/model.toml ./x.csv csv/../csv --epochs=3", "csv", 15},
		{"a switch without a value", "--nesterov " + spirals + " spirals sgd --optimizer=sgd --momentum=0.5 --lr 1e-3 --steps=2", "sgd", 2},
		{"other threads for an old run", spirals + " spirals sgd --threads=1 --every=1 --progress=never --steps=3", "sgd", 3},
		{"a finished run", spirals + " spirals sgd", "sgd", 3},
		{"initial values from a file and a seed of the data", spirals + " spirals imported --weights=w.safetensors --seed=4 --steps=2", "imported", 2},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			run(t, dir, script("train.sh")+" "+c.arguments)
			logged(t, filepath.Join(dir, c.run), c.steps)
		})
	}
	if help := run(t, dir, script("train.sh")+" --help"); !strings.Contains(help, "scripts/train.sh MODEL DATASET RUNDIR") {
		t.Errorf("the help is %q", help)
	}
	command, err := os.ReadFile(filepath.Join(dir, "sgd", "command"))
	if err != nil || strings.Count(string(command), "\n") != 1 || !strings.HasSuffix(string(command), "--steps=3 --threads=1\n") {
		t.Errorf("the command is %q: %v", command, err)
	}
}

// TestAFailureOfTheRingHasOneCause makes a rate so large that the field is too stiff once some steps are taken.
func TestAFailureOfTheRingHasOneCause(t *testing.T) {
	dir, tmp := t.TempDir(), t.TempDir()
	write(t, dir, "model.toml", strings.Replace(stiffModel, "t1 = 100.0", "t1 = 0.5", 1))
	_, errs, status := shell(t, dir, "TMPDIR='"+tmp+"' "+script("train.sh")+" ./model.toml spirals run --optimizer=sgd --lr=10 --every=1 --steps=1000")
	if status != 3 || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, "too many steps") {
		t.Errorf("exit status %d, expected 3 and a line\n%s", status, errs)
	}
	if left, _ := os.ReadDir(tmp); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	var facts struct{ Step int }
	if err := json.Unmarshal([]byte(run(t, dir, "kfacstep show --checkpoint=run/checkpoint.arrow")), &facts); err != nil {
		t.Fatal(err)
	}
	if facts.Step == 0 {
		t.Error("the ring took no step")
	}
	logged(t, filepath.Join(dir, "run"), facts.Step)
}

// TestTrainingLearns holds losses and accuracies, at a fixed seed, to what the quickstart shows: with SNOpt and with Adam
// at the settings it trains them with.
func TestTrainingLearns(t *testing.T) {
	source, err := os.ReadFile("../../scripts/quickstart.sh")
	if err != nil {
		t.Fatal(err)
	}
	for _, optimizer := range []string{"snopt", "adam"} {
		t.Run(optimizer, func(t *testing.T) {
			_, settings, found := strings.Cut(string(source), "\ntrain "+optimizer+" ")
			settings, _, _ = strings.Cut(settings, "\n")
			if !found || settings == "" {
				t.Fatal("scripts/quickstart.sh trains no " + optimizer)
			}
			dir := t.TempDir()
			run(t, dir, script("train.sh")+" "+script("models/spirals.toml")+" spirals run --epochs=10 --optimizer="+optimizer+" "+settings)
			losses := logged(t, filepath.Join(dir, "run"), 780)
			if first, last := mean(losses[:50]), mean(losses[730:]); !(first > 0.5 && last < 0.1) {
				t.Errorf("mean loss of the first 50 steps %g, of the last %g", first, last)
			}
			var figures struct{ Accuracy float64 }
			judged := run(t, dir, "datagen spirals --split=test | odeforward --params=run/checkpoint.arrow | evalmodel")
			if err := json.Unmarshal([]byte(judged), &figures); err != nil {
				t.Fatal(err)
			}
			if !(figures.Accuracy > 0.95) {
				t.Errorf("accuracy %g", figures.Accuracy)
			}
		})
	}
}

func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v / float64(len(values))
	}
	return sum
}

// TestFlowsTrainByTheModelsDivergence on whatever part of the data they train: a run on rows that are called val is one on
// the same rows called train.
func TestFlowsTrainByTheModelsDivergence(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "flow.toml", flowModel)
	x := make([]float64, 2*32)
	for i := range x {
		x[i] = math.Sin(float64(i) * 2.3)
	}
	npy(t, dir, "x.npy", []int{32, 2}, x)
	for _, part := range []string{"train", "val"} {
		run(t, dir, script("train.sh")+" ./flow.toml ./x.npy "+part+" --batch=16 --steps=4 --split="+part)
	}
	sameFile(t, "parts of the data", filepath.Join(dir, "val/checkpoint.arrow"), filepath.Join(dir, "train/checkpoint.arrow"))
	want := logged(t, filepath.Join(dir, "train"), 4)
	for i, loss := range logged(t, filepath.Join(dir, "val"), 4) {
		if loss != want[i] {
			t.Errorf("step %d: loss %g on val, %g on train", i, loss, want[i])
		}
	}
}
