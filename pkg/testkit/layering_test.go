package testkit_test

import (
	"os/exec"
	"strings"
	"testing"

	"odepipe/pkg/testkit"
)

// levels of the code base, bottom first: a package imports only packages of lower levels.
var levels = [][]string{
	{"tensor"},
	{"backend", "backend/cpu/toomcook"},
	{"backend/ref", "backend/cpu", "backend/cuda", "eigen", "wire"},
	{"ode", "nn", "kfac", "loss", "dataset", "peek"},
	{"adjoint", "optim"},
	{"model"},
	{"pipeline"},
	{"cli"},
}

func TestImportsPointDown(t *testing.T) {
	level := map[string]int{}
	for i, names := range levels {
		for _, name := range names {
			level["odepipe/pkg/"+name] = i
		}
	}
	command := exec.Command("go", "list", "-f", `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}`, "./...")
	command.Dir = testkit.Root(t)
	out, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		words := strings.Fields(line)
		own, known := level[words[0]]
		switch {
		case strings.HasPrefix(words[0], "odepipe/cmd/"), strings.HasPrefix(words[0], "odepipe/scripts/"):
			own = len(levels)
		case strings.HasPrefix(words[0], "odepipe/pkg/testkit"), strings.HasPrefix(words[0], "odepipe/pkg/cli/clitest"):
			continue // imported by tests alone, which this list does not see
		case !known:
			t.Errorf("%s has no level", words[0])
			continue
		}
		seen++
		for _, imported := range words[1:] {
			if !strings.HasPrefix(imported, "odepipe/") {
				continue
			}
			if below, known := level[imported]; !known || below >= own {
				t.Errorf("%s imports %s, which is not below it", words[0], imported)
			}
		}
	}
	if seen < 15 {
		t.Errorf("only %d packages seen", seen)
	}
}
