package cli

import (
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// Flags is the set of flags a program defines; the words in back quotes in a flag's usage are its METAVAR.
type Flags = pflag.FlagSet

// Program is a command: what its help says, which flags it has, and what it does.
type Program struct {
	Name    string                                // as typed, "odeforward"; of a sub-command its last word, "init"
	Purpose string                                // one sentence
	Usage   string                                // what follows the name; one alternative a line
	MaxArgs int                                   // how many positional arguments Run accepts at most
	Define  func(*Flags)                          // adds the program's own flags; may be nil
	Run     func(c *Context, args []string) error // args are the positional arguments

	Details  string // help after the flags, for example the list of data sets; may be empty
	Input    string // what it reads on standard input
	Output   string // what it writes on standard output
	Examples string // runnable command lines, one a line

	Commands []Program // sub-commands, chosen by the first argument
}

// Main runs the program with the process's arguments and exits with its status.
func Main(p Program) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbagePercent)
	}
	os.Exit(p.run(os.Args[1:]))
}

// garbagePercent is how much garbage may pile up beside the memory in use. That is nearly all arena, free of pointers and
// so cheap to scan; Go's 100 would double a stage's peak memory for nothing.
const garbagePercent = 10

// run is Main without the exit.
func (p Program) run(args []string) (status int) {
	p.Commands = append(slices.Clip(p.Commands), p.completion())
	p, args = p.resolve(args)
	c := &Context{name: p.Name}
	defer func() {
		if r := recover(); r != nil {
			c.stopProgress()
			c.say("internal error: %v", r)
			if c.Verbose {
				os.Stderr.Write(debug.Stack())
			}
			status = statusFailed
		}
	}()
	err := p.execute(c, args)
	if closing := c.close(); err == nil {
		err = closing
	}
	return c.report(err)
}

// resolve replaces a program by the sub-command that the first argument names, if it names one.
func (p Program) resolve(args []string) (Program, []string) {
	if len(args) == 0 {
		return p, args
	}
	for _, sub := range p.Commands {
		if sub.Name == args[0] {
			sub.Name = p.Name + " " + sub.Name
			return sub, args[1:]
		}
	}
	return p, args
}

// execute parses args and calls Run, unless --help or --version asks for something else.
func (p Program) execute(c *Context, args []string) error {
	own, common := p.flagSets(c)
	all := pflag.NewFlagSet(p.Name, pflag.ContinueOnError)
	all.AddFlagSet(own)
	all.AddFlagSet(common)
	c.Flags = all
	if err := all.Parse(args); err != nil {
		return Usage("%v", err)
	}
	switch {
	case c.help:
		fmt.Print(p.help(own, common))
		return nil
	case c.version:
		fmt.Println(p.version())
		return nil
	}
	if all.NArg() > p.MaxArgs {
		return p.surplus(all)
	}
	if err := c.open(); err != nil {
		return err
	}
	return p.Run(c, all.Args())
}

// surplus is the usage error for a positional argument too many. A boolean flag takes its value only behind '=', so
// that a stray "true" or "false" is most likely one.
func (p Program) surplus(f *Flags) error {
	extra := f.Arg(p.MaxArgs)
	for _, word := range f.Args() {
		if word == "true" || word == "false" {
			return Usage("unexpected argument %q; the value of a boolean flag is written --flag=%s", word, word)
		}
	}
	return Usage("unexpected argument %q", extra)
}

// flagSets makes the program's own flags and those that all programs share.
func (p Program) flagSets(c *Context) (own, common *Flags) {
	own = pflag.NewFlagSet(p.Name, pflag.ContinueOnError)
	own.SortFlags = false
	if p.Define != nil {
		p.Define(own)
	}
	common = pflag.NewFlagSet(p.Name, pflag.ContinueOnError)
	common.SortFlags = false
	c.define(common)
	return own, common
}

// release is the tag that an executable was made from, set by the linker; empty: what Go knows of the source.
var release string

// version is the line that --version prints: name, project, version of the source, toolchain, platform.
func (p Program) version() string {
	source := "unknown version"
	toolchain := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		toolchain = info.GoVersion
		source = strings.Trim(info.Main.Version, "()")
	}
	if release != "" {
		source = release
	}
	return fmt.Sprintf("%s (odepipe) %s, %s", p.Name, source, toolchain)
}
