package cli

import (
	"fmt"
	"strings"
)

// helpWidth is the number of columns that help is wrapped to.
const helpWidth = 110

// help is the text of --help: usage lines, purpose, flags with METAVAR, default and unit, streams, examples.
func (p Program) help(own, common *Flags) string {
	var b strings.Builder
	lead := "usage: "
	for _, usage := range strings.Split(p.Usage, "\n") {
		fmt.Fprintf(&b, "%s%s %s\n", lead, p.Name, usage)
		lead = "       "
	}
	fmt.Fprintf(&b, "\n%s\n", p.Purpose)
	if own.HasFlags() {
		fmt.Fprintf(&b, "\nflags:\n%s", own.FlagUsagesWrapped(helpWidth))
	}
	fmt.Fprintf(&b, "\nflags of every command:\n%s", common.FlagUsagesWrapped(helpWidth))
	if len(p.Commands) > 0 {
		b.WriteString("\ncommands:\n")
		for _, sub := range p.Commands {
			fmt.Fprintf(&b, "  %-10s %s\n", sub.Name, sub.Purpose)
		}
	}
	if p.Details != "" {
		fmt.Fprintf(&b, "\n%s\n", strings.Trim(p.Details, "\n"))
	}
	fmt.Fprintf(&b, "\ninput:  %s\noutput: %s\n", p.Input, p.Output)
	b.WriteString("\nexamples:\n")
	for _, line := range strings.Split(strings.Trim(p.Examples, "\n"), "\n") {
		fmt.Fprintf(&b, "  %s\n", line)
	}
	b.WriteString("\nexit status: 0 done, 1 failed, 2 wrong usage, 3 numerical failure\n")
	return b.String()
}
