package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gonum.org/v1/plot/plotter"

	"odepipe/pkg/backend"
	"odepipe/pkg/backend/cpu"
	"odepipe/pkg/model"
	"odepipe/pkg/optim"
	"odepipe/pkg/pipeline"
	"odepipe/pkg/tensor"
)

// runFolder makes a run of a recipe and seed, whose loss in step k is level/(k+1); its checkpoint is of step 0.
func runFolder(t *testing.T, name, recipe string, seed int, level float64) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), name)
	var log strings.Builder
	for k := range 20 {
		fmt.Fprintf(&log, `{"program":"kfacstep","step":%d,"loss":%g,"nfe_forward":14,"nfe_backward":20,"seconds":0.5,"wait":0.3,"compute":0.1,"grad_norm":1,"damping":0.05,"t1":{"ode":0.9}}`+"\n", k, level/float64(k+1))
	}
	spec, err := model.Load("../models/spirals.toml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := pipeline.Init(spec, optim.Settings{}, 0, "", func(tensor.DType) (backend.Backend, error) { return cpu.New(1), nil })
	if err != nil {
		t.Fatal(err)
	}
	command := fmt.Sprintf("train.sh spirals.toml spirals %s --seed=%d %s\n", folder, seed, recipe)
	if err := os.MkdirAll(folder, 0o777); err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{
		"log.jsonl": log.String(), "command": command, "test.json": `{"samples":10,"accuracy":0.75}`,
		"evaluations.jsonl": `{"step":5,"loss":0.5,"accuracy":0.5}` + "\n" + `{"step":15,"loss":0.25,"accuracy":0.75}` + "\n",
	} {
		if err := os.WriteFile(filepath.Join(folder, file), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Save(filepath.Join(folder, "checkpoint.arrow")); err != nil {
		t.Fatal(err)
	}
	return folder
}

func TestRunsOfOneRecipeAreOneCurve(t *testing.T) {
	var runs []*run
	for i, c := range []struct{ name, recipe string }{{"a", "--lr=1"}, {"b", "--lr=1"}, {"c", "--lr=2"}} {
		r, err := readRun(runFolder(t, c.name, c.recipe, i, float64(i+1)))
		if err != nil {
			t.Fatal(err)
		}
		runs = append(runs, r)
	}
	curves := group(runs)
	if len(curves) != 2 || curves[0].name != "a (2 seeds)" || curves[1].name != "c" {
		t.Fatalf("%+v", curves)
	}
	mean, low, high := spread([]plotter.XYs{metrics[0].points(runs[0], true), metrics[0].points(runs[1], true)})
	last := len(mean) - 1
	if !(math.Abs(mean[0].X-0.5) < 1e-12) || !(math.Abs(mean[last].X-10) < 1e-12) {
		t.Errorf("seconds from %g to %g, want 0.5 to 10", mean[0].X, mean[last].X)
	}
	if !(math.Abs(mean[0].Y-1.5) < 1e-12) || !(math.Abs(low[0].Y-1) < 1e-12) || !(math.Abs(high[0].Y-2) < 1e-12) {
		t.Errorf("mean %g within %g and %g, want 1.5, 1, 2", mean[0].Y, low[0].Y, high[0].Y)
	}
}

func TestPictureHasAPanelForEveryMetricThatARunHas(t *testing.T) {
	folders := []string{runFolder(t, "first", "--lr=1", 0, 1), runFolder(t, "other", "--lr=1", 1, 2)}
	for _, ending := range []string{"svg", "png"} {
		path := filepath.Join(t.TempDir(), "curves."+ending)
		if err := write(path, "", folders); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if ending == "png" {
			if !strings.HasPrefix(string(text), "\x89PNG") {
				t.Error("no PNG")
			}
			continue
		}
		for _, want := range []string{"training loss, nats", "test accuracy", "forward", "t1, units of t", "damping", "norm of the gradient", "steps", "seconds", "first (2 seeds)"} {
			if !strings.Contains(string(text), want) {
				t.Errorf("no %q in the picture", want)
			}
		}
		if strings.Contains(string(text), "step size") {
			t.Error("a panel for a metric that no run has")
		}
	}
	if write("curves.jpg", "", folders) == nil {
		t.Error("an unknown format passes")
	}
}

func TestReportNeedsNoOtherFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "report.html")
	if err := write("", path, []string{runFolder(t, "run", "--lr=1", 0, 1)}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<svg", "spirals", "test: accuracy<td>0.75", "kfacstep<td>20<td>10.00<td>60.0 %<td>20.0 %", "train.sh spirals.toml spirals", "[[block]]"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q on the page", want)
		}
	}
	for _, never := range []string{"src=", "href=\"http", "@import", "<script"} {
		if strings.Contains(string(text), never) {
			t.Errorf("%q on the page", never)
		}
	}
}

func TestRunsThatCannotBeRead(t *testing.T) {
	empty, broken := t.TempDir(), t.TempDir()
	for path, text := range map[string]string{filepath.Join(empty, "log.jsonl"): "", filepath.Join(broken, "log.jsonl"): "{}\n{"} {
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct{ folder, want string }{
		"no log": {t.TempDir(), "no such file"}, "no steps": {empty, "no steps yet"}, "half a line": {broken, "line 2"},
	} {
		if _, err := readRun(c.folder); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
