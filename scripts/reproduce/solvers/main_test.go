package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"odepipe/pkg/ode"
	"odepipe/pkg/testkit"
)

// script runs scripts/reproduce/solvers.sh in a folder.
func script(t *testing.T, folder string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	c := exec.Command(filepath.Join(testkit.Root(t), "scripts/reproduce/solvers.sh"), args...)
	c.Dir = folder
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil && c.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), c.ProcessState.ExitCode()
}

func TestTheScriptPrintsAndDraws(t *testing.T) {
	folder := t.TempDir()
	out, errs, status := script(t, folder, "--problems=exp_decay,stiff_linear", "--methods=tsit5,euler", "-o", "curves.svg")
	if status != 0 || errs != "" {
		t.Fatalf("exit status %d\n%s", status, errs)
	}
	settings := tightest - loosest + 1 + most - fewest + 1
	if n := strings.Count(out, " evaluations "); n != 2*settings+1 {
		t.Errorf("%d lines of results, expected %d and the summary's title\n%s", n, 2*settings, out)
	}
	if !strings.Contains(out, "no correct digit") {
		t.Error("Euler's steps beyond its stability are not marked")
	}
	picture, err := os.ReadFile(filepath.Join(folder, "curves.svg"))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"tsit5", "euler", "stiff_linear", "evaluations of f", "relative error at t1", "no correct digit"} {
		if !strings.Contains(string(picture), text) {
			t.Errorf("the picture lacks %q", text)
		}
	}
}

func TestTheScriptRefuses(t *testing.T) {
	out, errs, status := script(t, t.TempDir(), "--methods=dopri6")
	if want := "solvers: --methods: wrong usage: there is no \"dopri6\"\n"; status != 2 || out != "" || errs != want {
		t.Errorf("exit status %d\n%s%s", status, out, errs)
	}
	if out, errs, status = script(t, t.TempDir(), "--help"); status != 0 || errs != "" || !strings.Contains(out, "--problems") {
		t.Errorf("--help: exit status %d\n%s%s", status, out, errs)
	}
	cases := map[string]struct {
		picture, problems string
		rest              []string
		message           string
	}{
		"an unknown problem":          {"", "exp_decoy", nil, `there is no "exp_decoy"`},
		"a picture of unknown format": {"curves.gif", "", nil, "ends in .png, .svg or .pdf"},
		"a word":                      {"", "", []string{"curves.png"}, `unexpected "curves.png"`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			err := run(&out, c.picture, "", c.problems, "", c.rest)
			if !errors.Is(err, errUsage) || !strings.Contains(err.Error(), c.message) || out.Len() > 0 {
				t.Errorf("got %v and %q", err, &out)
			}
		})
	}
}

// The systems are those of the golden table, and the solve that stands in for it is good enough.
func TestTheStandInIsTheTruth(t *testing.T) {
	var table json.RawMessage
	testkit.Golden(t, "ode_table", &table)
	golden := append([]problem(nil), problems...)
	if err := readTruth(filepath.Join(testkit.Root(t), "../shared/golden/ode_table.json"), golden); err != nil {
		t.Fatal(err)
	}
	own := append([]problem(nil), problems...)
	if err := standIn(own); err != nil {
		t.Fatal(err)
	}
	for i, p := range own {
		tolerance := 1e-11
		if strings.HasPrefix(p.name, "arenstorf") { // it amplifies roundings
			tolerance = 1e-8
		}
		if e := relative(p.end, golden[i].end); !(e <= tolerance) {
			t.Errorf("%s: error %.2e, expected at most %.0e", p.name, e, tolerance)
		}
	}
}

func TestOtherProblemsAreNoTruth(t *testing.T) {
	path := filepath.Join(t.TempDir(), "table.json")
	if err := os.WriteFile(path, []byte(`{"problems": {"exp_decay": {"t0": 0, "t1": 2, "x0": [1], "x_t1": [0.1]}}}`), 0o666); err != nil {
		t.Fatal(err)
	}
	err := readTruth(path, []problem{problems[0]})
	if err == nil || !strings.Contains(err.Error(), "exp_decay is not the one") {
		t.Errorf("got %v", err)
	}
}

func TestFailuresAreShown(t *testing.T) {
	stiff, err := choose(problems, "stiff_linear", func(p problem) string { return p.name })
	if err != nil {
		t.Fatal(err)
	}
	stiff[0].end = []float64{1, 1, 1}
	r := measure(&stiff[0], ode.Options{Method: "explicit_adams", Step: 1. / 1024})
	if !r.failed() || !errors.Is(r.failure, ode.ErrNonFinite) || !strings.Contains(r.String(), "failed") || !strings.Contains(r.String(), "not finite at t = ") {
		t.Errorf("got %v", r)
	}
	lost := result{error: math.NaN()}
	if !lost.failed() {
		t.Error("an error that is no number counts as reached")
	}
}
