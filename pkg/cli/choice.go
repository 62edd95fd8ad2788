package cli

import (
	"errors"
	"strings"
)

// Choice defines a flag whose value is one of a list, which becomes its METAVAR.
func Choice(f *Flags, dst *string, name, value string, choices []string, usage string) {
	*dst = value
	f.Var(&choice{dst, choices}, name, usage)
}

// choice is the pflag.Value of such a flag.
type choice struct {
	dst     *string
	choices []string
}

func (c *choice) String() string { return *c.dst }
func (c *choice) Type() string   { return strings.Join(c.choices, "|") }

func (c *choice) Set(value string) error {
	for _, known := range c.choices {
		if value == known {
			*c.dst = value
			return nil
		}
	}
	return errors.New("it must be one of " + strings.Join(c.choices, ", "))
}
