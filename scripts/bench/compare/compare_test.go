package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// checkout is a folder laid out as the repository is after scripts/build.sh: scripts and bin.
var checkout string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		folder, err := os.MkdirTemp("", "compare-test")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(folder)
		for _, command := range [][]string{
			{"go", "build", "-o", filepath.Join(folder, "bin") + "/", "odepipe/cmd/..."},
			{"cp", "-r", "../../../scripts", folder},
		} {
			if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
				fmt.Fprintf(os.Stderr, "%s: %v\n%s", strings.Join(command, " "), err, out)
				return 1
			}
		}
		checkout = folder
		return m.Run()
	}())
}

// script writes an executable shell script.
func script(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
		t.Fatal(err)
	}
}

func TestOurHalfAlone(t *testing.T) {
	saved := filepath.Join(t.TempDir(), "bench.json")
	var out, messages bytes.Buffer
	err := run(context.Background(), []string{"circle", "--root=" + checkout, "--rounds=1", "--steps=1", "--python=" + filepath.Join(t.TempDir(), "none"), "--json=" + saved}, &out, &messages)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(messages.String(), "pip install torch torchdiffeq") {
		t.Errorf("it does not say how to get PyTorch: %s", &messages)
	}
	for _, want := range []string{"best matrix product", "circle       adam   ordinary", "circle      snopt    refresh", "circle snopt: "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in the tables:\n%s", want, &out)
		}
	}
	text, err := os.ReadFile(saved)
	if err != nil {
		t.Fatal(err)
	}
	var r report
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Runs) != 2 || len(r.Runs[0].Rows) != 1 || len(r.Runs[1].Rows) != 2 || len(r.Runs[1].Ours[0].Steps) != warmUp+2 {
		t.Fatalf("runs %s", text)
	}
	for _, c := range r.Runs {
		for _, row := range c.Rows {
			if !(row.Ours > 0) || !(row.Stages["odebackward"] > 0) || row.Evaluations[0] < 8 {
				t.Errorf("%s %s: %+v", c.Optimizer, row.Kind, row)
			}
		}
		if c.Memory.Ours["odebackward"] < 1e6 || c.Memory.Ring < c.Memory.Ours["odebackward"] {
			t.Errorf("%s: memory %+v", c.Optimizer, c.Memory)
		}
	}
}

func TestBothHalves(t *testing.T) {
	python := filepath.Join(t.TempDir(), "python")
	script(t, python, `if [ "$1" = -c ]; then echo PyTorch of the test; exit; fi
steps=$(sed 's/.*"steps":\([0-9]*\).*/\1/' "$2")
for k in $(seq 0 $((steps - 1))); do
  echo "{\"step\": $k, \"seconds\": 100, \"loss\": 2.5, \"nfe_forward\": 1, \"nfe_backward\": 2, \"refresh\": false}"
done
`)
	var out bytes.Buffer
	err := run(context.Background(), []string{"circle", "--root=" + checkout, "--rounds=2", "--steps=1", "--optimizer=adam", "--python=" + python}, &out, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"PyTorch of the test", "100000.0", "1 + 2 differ", "circle adam: the first losses differ"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in the tables:\n%s", want, &out)
		}
	}
}

func TestStageThatDiesEndsTheRing(t *testing.T) {
	broken := t.TempDir()
	if err := os.Mkdir(filepath.Join(broken, "bin"), 0o777); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"datagen", "odeforward", "kfacstep"} {
		if err := os.Symlink(filepath.Join(checkout, "bin", name), filepath.Join(broken, "bin", name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ name, text, want string }{
		{"a stage is killed", "kill -9 $$", "odebackward: program failed: signal: killed"},
		{"a stage complains", "echo out of luck >&2; exit 3", "out of luck"},
	} {
		script(t, filepath.Join(broken, "bin", "odebackward"), c.text)
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		err := run(ctx, []string{"circle", "--root=" + broken, "--optimizer=adam", "--python=none"}, io.Discard, io.Discard)
		if !errors.Is(err, errProcess) || !strings.Contains(err.Error(), c.want) || ctx.Err() != nil {
			t.Errorf("%s: %v, expected %q", c.name, err, c.want)
		}
		cancel()
	}
}

func TestOneshot(t *testing.T) {
	var out bytes.Buffer
	if err := run(context.Background(), []string{"circle", "--root=" + checkout, "--optimizer=adam", "--steps=1", "--oneshot"}, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"kfacstep starts in", "odebackward  "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing:\n%s", want, &out)
		}
	}
}

func TestWrongUsage(t *testing.T) {
	for _, args := range [][]string{{"cirle"}, {"--rounds=0"}, {"--threads=-1"}, {"--device=tpu"}, {"--device=cuda", "--oneshot"}, {"--nothing"}, {"circle", "--optimizer=snopt-paper", "--python=none", "--root=" + checkout}} {
		if err := run(context.Background(), args, io.Discard, io.Discard); !errors.Is(err, errUsage) {
			t.Errorf("%q: %v", args, err)
		}
	}
}
