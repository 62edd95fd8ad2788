package clitest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// commands are what transcripts can do beside testscript's own:
//
//	fails STATUS SCRIPT PATTERN   bash runs the script, which ends with the status and one line on standard error that
//	                              matches; with status 2 a pointer to --help follows
//	flip FILE POSITION COPY       copies a file with the lowest bit of one byte flipped; below 0 from the end
var commands = map[string]func(ts *testscript.TestScript, neg bool, args []string){"fails": fails, "flip": flip}

func fails(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: fails STATUS SCRIPT PATTERN")
	}
	err := ts.Exec("bash", "-c", args[1])
	said := ts.ReadFile("stderr")
	status := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		status = exit.ExitCode()
	}
	if fmt.Sprint(status) != args[0] {
		ts.Fatalf("exit status %d, expected %s; standard error:\n%s", status, args[0], said)
	}
	lines := strings.SplitAfter(said, "\n")
	want := 1
	if args[0] == "2" {
		want = 2
	}
	if len(lines) != want+1 || lines[want] != "" || want == 2 && !strings.HasPrefix(lines[1], "try '") {
		ts.Fatalf("%d lines expected on standard error, got:\n%s", want, said)
	}
	if !regexp.MustCompile(args[2]).MatchString(strings.TrimSuffix(lines[0], "\n")) {
		ts.Fatalf("no match for %q in:\n%s", args[2], said)
	}
}

func flip(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: flip FILE POSITION COPY")
	}
	data := []byte(ts.ReadFile(args[0]))
	at, err := strconv.Atoi(args[1])
	ts.Check(err)
	if at < 0 {
		at += len(data)
	}
	data[at] ^= 1
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), data, 0o666))
}
