package optim

import (
	"fmt"
	"path"
	"strings"
)

// Group is a set of parameters with a rule of its own.
type Group struct {
	Pattern   string // of names, with the wildcards of path.Match: "ode.*"; behind a "!" what does not match
	Optimizer string // empty for Main's
	Overrides []Override
}

// Override is a setting of a rule, in text.
type Override struct{ Name, Value string }

// parseGroup reads "PATTERN=OPTIMIZER", "PATTERN=OPTIMIZER,name=value,..." or "PATTERN=name=value,...".
func parseGroup(text string) (Group, error) {
	bad := func(format string, args ...any) (Group, error) {
		return Group{}, fmt.Errorf("%w: group %s: %s", ErrSetting, text, fmt.Sprintf(format, args...))
	}
	pattern, rest, found := strings.Cut(text, "=")
	if !found || pattern == "" || rest == "" || strings.ContainsAny(text, "\n") {
		return bad("it is not PATTERN=RULE")
	}
	if _, err := path.Match(strings.TrimPrefix(pattern, "!"), ""); err != nil {
		return bad("the pattern is malformed")
	}
	g := Group{Pattern: pattern}
	for i, word := range strings.Split(rest, ",") {
		name, value, pair := strings.Cut(word, "=")
		if !pair && i == 0 {
			name, value = "optimizer", word
		} else if name == "optimizer" {
			return bad("the optimizer is named right behind the pattern")
		}
		entry := settingNamed(name)
		if entry == nil || entry.rule == nil {
			return bad("it cannot have a %q", name)
		}
		var scratch Rule
		if err := entry.set(entry.rule(&scratch), value); err != nil {
			return Group{}, fmt.Errorf("group %s: %w", text, err)
		}
		if name == "optimizer" {
			g.Optimizer = value
		} else {
			g.Overrides = append(g.Overrides, Override{name, value})
		}
	}
	return g, nil
}

// String is the text that the group was parsed from.
func (g Group) String() string {
	var words []string
	if g.Optimizer != "" {
		words = append(words, g.Optimizer)
	}
	for _, o := range g.Overrides {
		words = append(words, o.Name+"="+o.Value)
	}
	return g.Pattern + "=" + strings.Join(words, ",")
}

// matches says whether the group has a parameter, if no group before has it.
func (g Group) matches(name string) bool {
	pattern, negated := strings.CutPrefix(g.Pattern, "!")
	matched, err := path.Match(pattern, name)
	return err == nil && matched != negated
}

// rule is the group's rule, complete. A group with Main's optimizer starts from Main's settings; one with another
// optimizer from that optimizer's defaults.
func (g Group) rule(main Rule) Rule {
	r := main
	if g.Optimizer != "" && g.Optimizer != main.Optimizer {
		r = Rule{Optimizer: g.Optimizer}.complete()
	}
	for _, o := range g.Overrides {
		entry := settingNamed(o.Name)
		if err := entry.set(entry.rule(&r), o.Value); err != nil {
			panic("optim: group was not checked")
		}
	}
	return r
}
