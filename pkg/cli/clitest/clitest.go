// Package clitest tests programs built on package cli; only tests import it.
//
// Scripts runs transcripts (testdata/script/*.txtar), in which the program itself is a command on the path, and Manual
// holds a manual page to the flags that --help shows. For the programs in cmd, Main puts all of them on the path and
// Streams makes what they read.
package clitest

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// Scripts runs every transcript of testdata/script. Programs are called with exec only, so that a transcript reads the
// same as a shell's history.
func Scripts(t *testing.T, setup func(*testscript.Env) error) {
	t.Helper()
	testscript.Run(t, testscript.Params{Dir: "testdata/script", Setup: setup, Cmds: commands, RequireExplicitExec: true})
}

var (
	helpFlag   = regexp.MustCompile(`(?m)^ +(?:-\w, )?--([a-z][a-z0-9-]*)`)
	manualFlag = regexp.MustCompile(`(?m)^\.It (?:Fl \w , )?Fl -([a-z][a-z0-9-]*)`)
)

// Manual fails unless the manual page, in mdoc, has an ".It Fl -name" for exactly the flags in the help of the commands,
// which testscript.Main has put on the path: the program, "kfacstep", and any sub-commands, "kfacstep init".
func Manual(t *testing.T, page string, commands ...string) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var shown []string
	for _, command := range commands {
		words := append(strings.Fields(command), "--help")
		help, err := exec.Command(words[0], words[1:]...).Output()
		if err != nil {
			t.Fatalf("%s --help: %v", command, err)
		}
		flags := found(helpFlag, help)
		if len(flags) == 0 {
			t.Fatalf("%s --help shows no flags", command)
		}
		shown = append(shown, flags...)
	}
	slices.Sort(shown)
	shown = slices.Compact(shown)
	if written := found(manualFlag, text); !slices.Equal(shown, written) {
		t.Errorf("--help has the flags %v,\n%s has %v", shown, page, written)
	}
}

// found lists the distinct flag names that a pattern finds, sorted.
func found(pattern *regexp.Regexp, text []byte) []string {
	var out []string
	for _, match := range pattern.FindAllSubmatch(text, -1) {
		out = append(out, string(match[1]))
	}
	slices.Sort(out)
	return slices.Compact(out)
}
