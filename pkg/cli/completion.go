package cli

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/pflag"
)

// shells are those that completion writes for.
var shells = []string{"bash", "zsh", "fish"}

// completion is the sub-command of every program that prints its completion for a shell, made from its flags.
func (p Program) completion() Program {
	return Program{
		Name:    "completion",
		Purpose: "Print the completion of flags and commands for a shell.",
		Usage:   strings.Join(shells, "|"),
		MaxArgs: 1,
		Run: func(_ *Context, args []string) error {
			write := map[string]func() string{"bash": p.bash, "zsh": p.zsh, "fish": p.fish}[strings.Join(args, "")]
			if write == nil {
				return Usage("expected one of %s", strings.Join(shells, ", "))
			}
			fmt.Print(write())
			return nil
		},
		Input:  "none",
		Output: "a script for the shell",
		Examples: fmt.Sprintf("source <(%s completion bash)\n%s completion zsh > ~/.zsh/completions/_%s\n%s completion fish > ~/.config/fish/completions/%s.fish",
			p.Name, p.Name, p.Name, p.Name, p.Name),
	}
}

// completed is a flag as completion sees it.
type completed struct {
	name, short string
	metavar     string // empty for one that takes no value
	usage       string
	choices     []string // its values, if they are a list
}

var listOfChoices = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]*(\|[a-z0-9][a-z0-9_-]*)+$`)

// completedFlags lists all flags in the order of help.
func (p Program) completedFlags() []completed {
	own, common := p.flagSets(&Context{})
	var all []completed
	for _, set := range []*Flags{own, common} {
		set.VisitAll(func(f *pflag.Flag) {
			metavar, usage := pflag.UnquoteUsage(f)
			c := completed{name: f.Name, short: f.Shorthand, metavar: metavar, usage: usage}
			if f.NoOptDefVal != "" {
				c.metavar = ""
			} else if listOfChoices.MatchString(metavar) {
				c.choices = strings.Split(metavar, "|")
			}
			all = append(all, c)
		})
	}
	return all
}

// commandNames are those of the sub-commands.
func (p Program) commandNames() string {
	var names []string
	for _, sub := range p.Commands {
		names = append(names, sub.Name)
	}
	return strings.Join(names, " ")
}

// bash completes flags behind a dash, values of flags that have a list of them, sub-commands, and else files.
func (p Program) bash() string {
	function := "_" + p.Name
	var flags, values strings.Builder
	for _, sub := range append(p.Commands, p) {
		command := sub.Name
		if sub.Name == p.Name {
			command = "*"
		}
		var names []string
		for _, f := range sub.completedFlags() {
			names = append(names, "--"+f.name)
			if f.choices != nil {
				fmt.Fprintf(&values, "    %s\\ --%s) COMPREPLY=($(compgen -W '%s' -- \"$word\")); return ;;\n", command, f.name, strings.Join(f.choices, " "))
			}
		}
		fmt.Fprintf(&flags, "    %s) flags='%s' ;;\n", command, strings.Join(names, " "))
	}
	return fmt.Sprintf(`# Completion of %[1]s for bash, made by '%[1]s completion bash'.
%[2]s() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} flags
  [ "$word" != = ] || word=
  [ "$before" != = ] || before=${COMP_WORDS[COMP_CWORD-2]}
  case ${COMP_WORDS[1]} in
%[3]s  esac
  case ${COMP_WORDS[1]}\ $before in
%[4]s  esac
  COMPREPLY=()
  if [[ $word = -* ]]; then
    COMPREPLY=($(compgen -W "$flags" -- "$word"))
  elif [ $COMP_CWORD -eq 1 ]; then
    COMPREPLY=($(compgen -W '%[5]s' -- "$word"))
  fi
}
complete -o default -F %[2]s %[1]s
`, p.Name, function, flags.String(), values.String(), p.commandNames())
}

// zsh completes as bash does, with what each flag is.
func (p Program) zsh() string {
	escape := strings.NewReplacer(`\`, `\\`, "[", `\[`, "]", `\]`, ":", `\:`, "'", `'\''`)
	var cases strings.Builder
	for _, sub := range append(p.Commands, p) {
		command := sub.Name
		if sub.Name == p.Name {
			command = "*"
		}
		fmt.Fprintf(&cases, "    %s) flags=(\n", command)
		for _, f := range sub.completedFlags() {
			usage := escape.Replace(f.usage)
			switch {
			case f.short != "":
				fmt.Fprintf(&cases, "      '-%s[%s]'\n      '--%s[%s]'\n", f.short, usage, f.name, usage)
			case f.metavar == "":
				fmt.Fprintf(&cases, "      '--%s[%s]'\n", f.name, usage)
			case f.choices != nil:
				fmt.Fprintf(&cases, "      '--%s=[%s]:%s:(%s)'\n", f.name, usage, f.name, strings.Join(f.choices, " "))
			default:
				fmt.Fprintf(&cases, "      '--%s=[%s]:%s:_files'\n", f.name, usage, escape.Replace(f.metavar))
			}
		}
		cases.WriteString("    ) ;;\n")
	}
	return fmt.Sprintf(`#compdef %[1]s
# Completion of %[1]s for zsh, made by '%[1]s completion zsh'.
_%[1]s() {
  local -a flags
  case ${words[2]} in
%[2]s  esac
  _arguments $flags '1: :_%[1]s_first' '*:file:_files'
}
_%[1]s_first() { _alternative 'commands:command:(%[3]s)' 'files:file:_files'; }
if [ "$funcstack[1]" = _%[1]s ]; then _%[1]s "$@"; else compdef _%[1]s %[1]s; fi
`, p.Name, cases.String(), p.commandNames())
}

// fish completes as bash does, with what each flag and command is.
func (p Program) fish() string {
	escape := strings.NewReplacer(`\`, `\\`, "'", `\'`)
	var b strings.Builder
	fmt.Fprintf(&b, "# Completion of %s for fish, made by '%s completion fish'.\n", p.Name, p.Name)
	elsewhere := "not __fish_seen_subcommand_from " + p.commandNames()
	for _, sub := range p.Commands {
		fmt.Fprintf(&b, "complete -c %s -n '%s' -a %s -d '%s'\n", p.Name, elsewhere, sub.Name, escape.Replace(sub.Purpose))
	}
	for _, sub := range append(p.Commands, p) {
		where := "__fish_seen_subcommand_from " + sub.Name
		if sub.Name == p.Name {
			where = elsewhere
		}
		for _, f := range sub.completedFlags() {
			fmt.Fprintf(&b, "complete -c %s -n '%s' -l %s", p.Name, where, f.name)
			if f.short != "" {
				fmt.Fprintf(&b, " -s %s", f.short)
			}
			if f.choices != nil {
				fmt.Fprintf(&b, " -x -a '%s'", strings.Join(f.choices, " "))
			} else if f.metavar != "" {
				b.WriteString(" -r")
			}
			fmt.Fprintf(&b, " -d '%s'\n", escape.Replace(f.usage))
		}
	}
	return b.String()
}
