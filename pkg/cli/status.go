package cli

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"odepipe/pkg/pipeline"
)

// Exit statuses, as the contract fixes them.
const (
	statusDone      = 0
	statusFailed    = 1
	statusUsage     = 2
	statusNumerical = 3
)

// usageError is a mistake in how the program was called.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

// Usage makes the error for a wrong flag or argument: exit status 2 and a pointer to --help.
func Usage(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// statusOf maps an error to the exit status.
func statusOf(err error) int {
	var usage *usageError
	switch {
	case err == nil:
		return statusDone
	case errors.As(err, &usage):
		return statusUsage
	case pipeline.Numerical(err):
		return statusNumerical
	}
	return statusFailed
}

// report says what went wrong in one line and returns the exit status.
func (c *Context) report(err error) int {
	status := statusOf(err)
	if err != nil {
		c.say("%v", err)
	}
	if status == statusUsage {
		fmt.Fprintf(os.Stderr, "try '%s --help'\n", c.name)
	}
	return status
}

// say writes one line to standard error behind the program's name, whatever line breaks the message has.
func (c *Context) say(format string, args ...any) {
	lines := strings.FieldsFunc(fmt.Sprintf(format, args...), func(r rune) bool { return r == '\n' || r == '\r' })
	text := strings.Join(lines, " ")
	fmt.Fprintf(os.Stderr, "%s: %s\n", c.name, text)
}
