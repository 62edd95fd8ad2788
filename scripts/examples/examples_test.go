// Package examples_test runs every example.
package examples_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"odepipe/pkg/testkit"
)

// examples are all of them: a command line each, what it needs beside odepipe, and what its output has.
var examples = []struct{ file, needs, command, want string }{
	{"loop.mk", "make --version", "make -s -f scripts/examples/loop.mk EPOCHS=2 STEPS=3 BATCH=16 && cat runs/loop/epoch-2.json && make -q -f scripts/examples/loop.mk EPOCHS=2 STEPS=3 BATCH=16", `"accuracy"`},
	{"sweep.sh", "true", "scripts/examples/sweep.sh scripts/models/spirals.toml spirals runs/sweep 0.01 0.1 -- --steps=5", "0.1 0."},
	{"sweep.sbatch", "true", "for i in 0 3; do SLURM_ARRAY_TASK_ID=$i DIR=runs/array SETTINGS=--steps=3 bash scripts/examples/sweep.sbatch; done; ls runs/array", "lr-0.003"},
	{"own-data.sh", "python3 -c 'import numpy'", "scripts/examples/own-data.sh", `"samples":512`},
	{"watch.sh", "jq --version", "scripts/train.sh scripts/models/spirals.toml spirals runs/watched --steps=20 && scripts/examples/watch.sh runs/watched 10", "step 20  loss 0."},
	{"replay.sh", "true", "bin/kfacstep init --model=scripts/models/spirals.toml > ck.arrow && scripts/examples/replay.sh ck.arrow spirals replayed", "agrees"},
	{"factors.py", "python3 -c 'import numpy, pyarrow'", gradient + "python3 scripts/examples/factors.py gradient.arrow", "ode.hidden kron_a largest"},
	{"factors_polars.py", "python3 -c 'import polars'", gradient + "python3 scripts/examples/factors_polars.py gradient.arrow", "kron_a"},
	{"factors_duckdb.py", "python3 -c 'import duckdb, pyarrow'", gradient + "python3 scripts/examples/factors_duckdb.py gradient.arrow", "kron_a"},
	{"factors.R", "Rscript -e 'library(arrow)'", gradient + "Rscript scripts/examples/factors.R gradient.arrow", "ode.hidden kron_a"},
}

// gradient makes the stream that the readers of factors look at.
const gradient = `bin/kfacstep init --model=scripts/models/spirals.toml > ck.arrow
bin/datagen spirals --batch=64 --count=1 | bin/odeforward --params=ck.arrow | bin/odebackward --params=ck.arrow > gradient.arrow
`

func TestExamplesRun(t *testing.T) {
	root := testkit.Root(t)
	bin := t.TempDir()
	build := exec.Command("go", "build", "-o", bin+"/", "./cmd/...")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	for _, e := range examples {
		t.Run(e.file, func(t *testing.T) {
			if err := exec.Command("bash", "-c", e.needs).Run(); err != nil {
				t.Skipf("not to be had: %s", e.needs)
			}
			folder := t.TempDir()
			for link, to := range map[string]string{"scripts": filepath.Join(root, "scripts"), "bin": bin} {
				if err := os.Symlink(to, filepath.Join(folder, link)); err != nil {
					t.Fatal(err)
				}
			}
			c := exec.Command("bash", "-euo", "pipefail", "-c", e.command)
			c.Dir = folder
			out, err := c.CombinedOutput()
			if err != nil || !strings.Contains(string(out), e.want) {
				t.Errorf("%v, want %q in:\n%s", err, e.want, out)
			}
		})
	}
}

func TestEveryExampleIsRun(t *testing.T) {
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		known := slices.ContainsFunc(examples, func(e struct{ file, needs, command, want string }) bool { return e.file == f.Name() })
		if !known && filepath.Ext(f.Name()) != ".go" {
			t.Errorf("%s is run by no test", f.Name())
		}
	}
}
