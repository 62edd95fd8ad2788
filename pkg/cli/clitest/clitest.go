// Package clitest tests programs built on package cli; only tests import it.
//
// Scripts runs transcripts (testdata/script/*.txtar), in which the program itself is a command on the path, and Manual
// holds a manual page to the flags that --help shows. It knows nothing of what a program does.
package clitest

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// Scripts runs every transcript of testdata/script. Programs are called with exec only, so that a transcript reads the
// same as a shell's history.
func Scripts(t *testing.T, setup func(*testscript.Env) error) {
	t.Helper()
	testscript.Run(t, testscript.Params{Dir: "testdata/script", Setup: setup, RequireExplicitExec: true})
}

var (
	helpFlag   = regexp.MustCompile(`(?m)^ +(?:-\w, )?--([a-z][a-z0-9-]*)`)
	manualFlag = regexp.MustCompile(`(?m)^\.It (?:Fl \w , )?Fl -([a-z][a-z0-9-]*)`)
)

// Manual fails unless the manual page, in mdoc, has an ".It Fl -name" for exactly the flags in the help of the program,
// which testscript.Main has put on the path. command is its name and, where there is one, the sub-command's.
func Manual(t *testing.T, page string, command ...string) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	help, err := exec.Command(command[0], append(command[1:], "--help")...).Output()
	if err != nil {
		t.Fatalf("%v --help: %v", command, err)
	}
	shown, written := names(helpFlag, help), names(manualFlag, text)
	if len(shown) == 0 {
		t.Fatalf("%v --help shows no flags", command)
	}
	if !slices.Equal(shown, written) {
		t.Errorf("--help has the flags %v,\n%s has %v", shown, page, written)
	}
}

// names lists the distinct flag names that a pattern finds, sorted.
func names(pattern *regexp.Regexp, text []byte) []string {
	var out []string
	for _, match := range pattern.FindAllSubmatch(text, -1) {
		out = append(out, string(match[1]))
	}
	slices.Sort(out)
	return slices.Compact(out)
}
