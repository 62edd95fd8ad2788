package cli

import (
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"odepipe/pkg/pipeline"
)

// DumpFlag adds --dump.
func DumpFlag(f *Flags, folder *string) {
	f.StringVar(folder, "dump", "", "at a numerical failure, write the mini-batch and its parameters to the folder `DIR` and print the command that repeats the failure")
}

// aside are the flags that a failure does not depend on.
var aside = []string{"dump", "trace", "log", "progress", "quiet", "verbose", "every", "on-nonfinite"}

// Dump is what --dump asks for, nil if it names no folder. The command that repeats a failure is this one, with its
// flags; the flag of the name parameters takes the file of parameters.
func (c *Context) Dump(folder, parameters string) *pipeline.Dump {
	if folder == "" {
		return nil
	}
	return &pipeline.Dump{Folder: folder, Command: func(params, input string) string {
		words := []string{c.name, "--" + parameters + "=" + quoted(params)}
		c.Flags.Visit(func(f *pflag.Flag) {
			if f.Name != parameters && !slices.Contains(aside, f.Name) {
				words = append(words, "--"+f.Name+"="+quoted(f.Value.String()))
			}
		})
		return strings.Join(append(words, "<", quoted(input), ">", "/dev/null"), " ")
	}}
}

// quoted is a word as a shell reads it, in quotes where it has anything but letters, digits and a few signs.
func quoted(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+:,=", r)
	}
	if word != "" && strings.TrimFunc(word, plain) == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
