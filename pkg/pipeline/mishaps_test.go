package pipeline_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"odepipe/pkg/tensor"
	"odepipe/pkg/wire"
)

// mishapModel is a linear field whose weights a test chooses.
const mishapModel = `
name = "one"
input = [2]
loss = "mse"
[[block]]
type = "ode"
name = "ode"
field = [ { type = "linear", name = "a", in = 2, out = 2, bias = false } ]
`

// TestNumericalFailuresAreRepeatedByOneCommand makes each stage fail, and then fail again by the command that it printed.
func TestNumericalFailuresAreRepeatedByOneCommand(t *testing.T) {
	forward := "odeforward --divergence=model --params=ck.arrow %s < batch.arrow > state.arrow"
	backward := "odebackward --threads=1 --params=ck.arrow %s < state.arrow > gradient.arrow"
	for name, c := range map[string]struct {
		weight   float64
		settings string
		before   string
		fails    string
		stage    string
		says     string
	}{
		"an exploding state":                {1e30, "", "", forward, "odeforward", "mini-batch 3: block ode: t=0 "},
		"a field too stiff for the solver":  {-1e7, "", "", forward, "odeforward", "too many steps"},
		"a solve that cannot be run back":   {-300, "", fmt.Sprintf(forward, ""), backward, "odebackward", "mini-batch 3: block ode: "},
		"a step that leaves nothing finite": {1, "--lr=1e38", fmt.Sprintf(forward+"; "+backward, "", ""), "kfacstep --checkpoint=ck.arrow %s < gradient.arrow > params.arrow", "kfacstep", "step 3: the change of the parameters: optim: not finite"},
		"the same, into a folder of a name": {1, "--lr=1e38", fmt.Sprintf(forward+"; "+backward, "", ""), "kfacstep --checkpoint=ck.arrow --every=7 %s < gradient.arrow > params.arrow", "kfacstep", "step 3: "},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, "model.toml", mishapModel)
			npy(t, dir, "x.npy", []int{20, 2}, make20())
			weights(t, dir, "w.safetensors", []weight{{"ode.a.weight", []uint64{2, 2}, []float64{c.weight, 0.5, -0.5, c.weight}}})
			run(t, dir, `kfacstep init --model=./model.toml --weights=w.safetensors --optimizer=sgd `+c.settings+` > ck.arrow
				datagen --x=x.npy --y=x.npy --batch=4 --start-step=3 --count=1 > batch.arrow`)
			at(t, filepath.Join(dir, "ck.arrow"), 3)
			run(t, dir, c.before)
			_, first, status := shell(t, dir, fmt.Sprintf(c.fails, `--dump="it's dumped"`))
			message, command, found := strings.Cut(strings.TrimSpace(first), "; to repeat it: ")
			if status != 3 || !found || !strings.Contains(message, c.says) || !strings.HasPrefix(message, c.stage+": ") {
				t.Fatalf("exit status %d\n%s", status, first)
			}
			_, again, status := shell(t, dir, "rm ck.arrow batch.arrow; "+command)
			if again = strings.TrimSpace(again); status != 3 || again != message {
				t.Errorf("%s\nexit status %d\n%s\nafter\n%s", command, status, again, message)
			}
			if files, _ := os.ReadDir(filepath.Join(dir, "it's dumped")); len(files) != 2 {
				t.Errorf("the folder has %v", files)
			}
		})
	}
}

// make20 are 20 points of the plane.
func make20() []float64 {
	x := make([]float64, 40)
	for i := range x {
		x[i] = 1 + math.Sin(float64(i))
	}
	return x
}

// at moves a checkpoint to a step.
func at(t testing.TB, path string, step int64) {
	t.Helper()
	c, err := wire.ReadCheckpoint(path, wire.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	c.Step = step
	if err := c.Save(path); err != nil {
		t.Fatal(err)
	}
}

// TestADumpThatCannotBeWritten keeps the failure's own status and says why there is nothing to repeat it from.
func TestADumpThatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "model.toml", mishapModel)
	npy(t, dir, "x.npy", []int{20, 2}, make20())
	weights(t, dir, "w.safetensors", []weight{{"ode.a.weight", []uint64{2, 2}, []float64{1e30, 0, 0, 1}}})
	_, errs, status := shell(t, dir, `kfacstep init --model=./model.toml --weights=w.safetensors --optimizer=sgd > ck.arrow
		datagen --x=x.npy --y=x.npy --batch=4 --count=1 | odeforward --params=ck.arrow --dump=x.npy/dump > state.arrow`)
	if status != 3 || !strings.Contains(errs, "nothing is dumped: mkdir x.npy: not a directory") {
		t.Errorf("exit status %d\n%s", status, errs)
	}
}

// TestSkippedSteps feeds kfacstep three steps of which the middle one is bad in every way that there is, and compares the
// checkpoint with the one that the other two steps alone lead to.
func TestSkippedSteps(t *testing.T) {
	bad := math.NaN()
	for name, spoil := range map[string]func(*wire.Set){
		"a loss that is NaN":          func(s *wire.Set) { s.Find(wire.Scalar, "loss").Value.Set(0, bad) },
		"a gradient that is infinite": func(s *wire.Set) { s.Find(wire.Grad, "head.bias").Value.Set(0, math.Inf(-1)) },
		"a gradient too large":        func(s *wire.Set) { s.Find(wire.Grad, "head.bias").Value.Set(0, 3e38) },
		"a change that overflows": func(s *wire.Set) {
			g := s.Find(wire.Grad, "head.weight").Value
			for i := range g.Len() {
				g.Set(i, 1e16)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			steps := gradientStream(t, dir, "--optimizer=adam --group=head.*=sgd,lr=1e4,momentum=0.9 --lr=1e-6")
			spoil(steps[1])
			writeGradients(t, dir, "bad.arrow", steps)
			run(t, dir, "cp ck.arrow a.arrow; cp ck.arrow b.arrow")
			_, errs, status := shell(t, dir, "kfacstep --checkpoint=a.arrow < bad.arrow > out")
			if status != 3 {
				t.Errorf("without --on-nonfinite: exit status %d\n%s", status, errs)
			}
			sameFile(t, "after a failure", filepath.Join(dir, "a.arrow"), filepath.Join(dir, "ck.arrow"))
			_, errs, status = shell(t, dir, "kfacstep --checkpoint=a.arrow --on-nonfinite=skip --log=log.jsonl < bad.arrow > out")
			if status != 0 || !strings.HasPrefix(errs, "kfacstep: warning: skipped, 1 so far: step 1: ") || strings.Count(errs, "\n") != 1 {
				t.Errorf("exit status %d\n%s", status, errs)
			}
			// The other two alone: step 2 applied to step 0's result, which has to say that it is at step 2.
			writeGradients(t, dir, "first.arrow", steps[:1])
			writeGradients(t, dir, "last.arrow", steps[2:])
			run(t, dir, "kfacstep --checkpoint=b.arrow < first.arrow > out")
			at(t, filepath.Join(dir, "b.arrow"), 2)
			run(t, dir, "kfacstep --checkpoint=b.arrow < last.arrow > out")
			sameFile(t, "skipped", filepath.Join(dir, "a.arrow"), filepath.Join(dir, "b.arrow"))
			var record struct {
				Step, Skips int64
				Skipped     string
			}
			log, _ := os.ReadFile(filepath.Join(dir, "log.jsonl"))
			lines := bytes.Split(log, []byte("\n"))
			if err := json.Unmarshal(lines[1], &record); err != nil || record.Step != 1 || record.Skips != 1 || record.Skipped == "" {
				t.Errorf("%v: the log has %s", err, lines[1])
			}
		})
	}
}

// gradientStream makes a checkpoint ck.arrow and the gradients of three steps, all at its parameters.
func gradientStream(t testing.TB, dir, settings string) []*wire.Set {
	t.Helper()
	run(t, dir, fmt.Sprintf(`kfacstep init --model=%s %s > ck.arrow; datagen spirals --batch=16 --count=3 |
		odeforward --params=ck.arrow | odebackward --params=ck.arrow > gradient.arrow`, script("models/spirals.toml"), settings))
	f, err := os.Open(filepath.Join(dir, "gradient.arrow"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := wire.NewTensorReader(f, wire.Limits{})
	var sets []*wire.Set
	for set := (&wire.Set{}); r.Next(set) == nil; {
		sets = append(sets, set.Clone())
	}
	if len(sets) != 3 {
		t.Fatalf("%d steps", len(sets))
	}
	return sets
}

// writeGradients writes steps as a gradient stream for ck.arrow.
func writeGradients(t testing.TB, dir, name string, steps []*wire.Set) {
	t.Helper()
	ck, err := wire.ReadCheckpoint(filepath.Join(dir, "ck.arrow"), wire.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := wire.NewTensorWriter(&b, wire.Header{Kind: wire.Gradient, Model: ck.Model, ModelSHA256: ck.ModelSHA256}, tensor.Float32)
	for _, s := range steps {
		if err := w.Write(s); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, dir, name, b.String())
}

// TestARunThatFailsNumericallyBeginsAgain trains where the curvature of the gradients says nothing about that of the loss:
// the targets are nearly met at the start, so that steps are far too long unless the damping is of the order of 1.
func TestARunThatFailsNumericallyBeginsAgain(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "model.toml", strings.Replace("dtype = \"float64\"\n"+mishapModel, "field =", `solver = { method = "rk4", step_size = 0.25 }
field =`, 1))
	npy(t, dir, "x.npy", []int{20, 2}, make20())
	weights(t, dir, "w.safetensors", []weight{{"ode.a.weight", []uint64{2, 2}, []float64{1e-3, 0, 0, 1e-3}}})
	train := script("train.sh") + " ./model.toml ./x.npy run --y=x.npy --weights=w.safetensors --batch=10 --alpha=1 --freq=1000 --every=10 --steps=60 --lr=1 --eps=1e-3"
	_, errs, status := shell(t, dir, train)
	if status != 3 || strings.Count(errs, "\n") != 1 {
		t.Fatalf("without --retries: exit status %d\n%s", status, errs)
	}
	_, errs, status = shell(t, dir, train+" --retries=1")
	if status != 3 || strings.Count(errs, "begins again") != 1 {
		t.Errorf("with one: exit status %d\n%s", status, errs)
	}
	_, errs, status = shell(t, dir, train+" --retries=6")
	times := strings.Count(errs, "train.sh: warning: begins again from the last checkpoint with 10 times the damping, time ")
	if status != 0 || times == 0 {
		t.Fatalf("exit status %d after %d times\n%s", status, times, errs)
	}
	facts := run(t, dir, "kfacstep show --checkpoint=run/checkpoint.arrow")
	if want := fmt.Sprintf(`"eps=%g"`, math.Pow(10, float64(times+1-3))); !strings.Contains(facts, `"step":60,`) || !strings.Contains(facts, want) {
		t.Errorf("%s, expected %s", facts, want)
	}
	logged(t, filepath.Join(dir, "run"), 60)
}
