package optim

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrSetting is a setting that is unknown, malformed, out of its range, or without effect.
var ErrSetting = errors.New("optim: bad setting")

// Settings are all choices of an optimizer. The zero value of a field stands for its default, which Table has.
type Settings struct {
	Main           Rule    // of the parameters that no group has
	Groups         []Group // the first whose pattern matches a parameter's name has it
	Preconditioner string
	Damping        string
	DampingFreq    int64
	Freq           int64
	FreqGrowth     float64
	FreqMax        int64
	FactorFreq     int64
	FactorDecay    float64
	Factors        string
	FactorStep     float64
	Terminal       string
	Rank           int64
	Vectors        int64
	HessianDecay   float64
	KLClip         float64
	ClipNorm       float64
	Horizon        string
	HorizonLR      float64
	HorizonCost    float64
	HorizonFreq    int64
	HorizonDecay   float64
	HorizonMin     float64
	Steer          float64
	SteerSeed      int64
	Schedule       string
	Milestones     []int64
	Gamma          float64
	WarmUp         int64
	TotalSteps     int64
}

// Rule is how the parameters of one group are changed. Only the fields that its optimizer looks at are used.
type Rule struct {
	Optimizer    string
	LR           float64
	Momentum     float64
	Nesterov     bool
	WeightDecay  float64
	Beta1, Beta2 float64
	AdamEps      float64
	Eps          float64 // damping
	Alpha        float64
}

// Set gives one setting its value in text, as a flag does; a repeated one gains a value. Names, ranges and defaults
// are those of Table. It returns ErrSetting.
func (s *Settings) Set(name, value string) error {
	entry := settingNamed(name)
	if entry == nil {
		return fmt.Errorf("%w: there is no %q", ErrSetting, name)
	}
	return entry.set(entry.field(s), value)
}

// Text writes what differs from the defaults as lines "name=value", in the order of Table. Parse is its inverse, to
// the bit.
func (s Settings) Text() string {
	var b strings.Builder
	for i := range Table {
		for _, value := range valuesOf(Table[i].field(&s)) {
			fmt.Fprintf(&b, "%s=%s\n", Table[i].Name, value)
		}
	}
	return b.String()
}

// Parse reads what Text wrote. It returns ErrSetting.
func Parse(text string) (Settings, error) {
	var s Settings
	for _, line := range strings.Split(text, "\n") {
		if line == "" {
			continue
		}
		name, value, found := strings.Cut(line, "=")
		if !found {
			return Settings{}, fmt.Errorf("%w: %q is not name=value", ErrSetting, line)
		}
		if err := s.Set(name, value); err != nil {
			return Settings{}, err
		}
	}
	return s, nil
}

// Check returns ErrSetting if a value is out of its range, lacks another one that it needs, or has no effect. A
// pattern's effect depends on the parameters: New checks that.
func (s Settings) Check() error {
	if _, err := Parse(s.Text()); err != nil {
		return err
	}
	if err := s.checkEffects(); err != nil {
		return err
	}
	for _, rule := range s.rules() {
		if rule.Nesterov && rule.Momentum == 0 {
			return fmt.Errorf("%w: nesterov needs momentum", ErrSetting)
		}
	}
	if err := s.checkConditions(); err != nil {
		return err
	}
	if err := s.checkPeriods(); err != nil {
		return err
	}
	if err := s.checkSampling(); err != nil {
		return err
	}
	return s.checkSchedule()
}

// checkConditions returns ErrSetting if a setting is given that others leave without effect.
func (s Settings) checkConditions() error {
	c := s.complete()
	moves := c.Horizon != "fixed"
	if moves && s.Steer != 0 {
		return fmt.Errorf("%w: steer draws t1 around a fixed one, horizon %s moves it", ErrSetting, c.Horizon)
	}
	for _, e := range []struct {
		name  string
		acts  bool
		needs string
	}{
		{"alpha", c.Preconditioner == "ekfac", "preconditioner ekfac"},
		{"factor-freq", s.FactorDecay != 0, "factor-decay"},
		{"freq-max", c.FreqGrowth > 1, "freq-growth above 1"},
		{"damping-freq", c.Damping == "adaptive", "damping adaptive"},
		{"horizon-lr", moves, "horizon baseline or feedback"},
		{"horizon-cost", moves, "horizon baseline or feedback"},
		{"horizon-freq", moves, "horizon baseline or feedback"},
		{"horizon-decay", moves, "horizon baseline or feedback"},
		{"horizon-min", moves, "horizon baseline or feedback"},
		{"steer-seed", s.Steer != 0, "steer"},
	} {
		if s.gives(e.name) && !e.acts {
			return fmt.Errorf("%w: %s has no effect without %s", ErrSetting, e.name, e.needs)
		}
	}
	return nil
}

// gives says whether a setting has a value of its own, anywhere.
func (s Settings) gives(name string) bool {
	if len(valuesOf(settingNamed(name).field(&s))) > 0 {
		return true
	}
	return slices.ContainsFunc(s.Groups, func(g Group) bool {
		return slices.ContainsFunc(g.Overrides, func(o Override) bool { return o.Name == name })
	})
}

// checkEffects finds settings that no optimizer in use looks at.
func (s Settings) checkEffects() error {
	main := s.complete().Main.Optimizer
	for i := range Table {
		entry := &Table[i]
		users := []string{main}
		if entry.rule == nil {
			for _, rule := range s.rules() {
				users = append(users, rule.Optimizer)
			}
		}
		if len(valuesOf(entry.field(&s))) > 0 && !slices.ContainsFunc(users, entry.concerns) {
			return fmt.Errorf("%w: %s has no effect on %s", ErrSetting, entry.Name, main)
		}
	}
	rules := s.rules()
	for i, g := range s.Groups {
		for _, o := range g.Overrides {
			if entry := settingNamed(o.Name); !entry.concerns(rules[i+1].Optimizer) {
				return fmt.Errorf("%w: group %s: %s has no effect on %s", ErrSetting, g.Pattern, o.Name, rules[i+1].Optimizer)
			}
		}
	}
	return nil
}

// rules are Main's and every group's, complete.
func (s Settings) rules() []Rule {
	rules := []Rule{s.Main.complete()}
	for _, g := range s.Groups {
		rules = append(rules, g.rule(rules[0]))
	}
	return rules
}

// complete fills in the defaults.
func (s Settings) complete() Settings {
	s.Main = s.Main.complete()
	for i := range Table {
		if entry := &Table[i]; entry.whole != nil {
			entry.fill(entry.whole(&s), entry.Default)
		}
	}
	if s.Freq == 0 {
		s.Freq = 100
		if factors, probes := s.Curvature(); probes > 0 && !factors {
			s.Freq = 1
		}
	}
	return s
}

// complete fills in the defaults of what the rule's optimizer looks at.
func (r Rule) complete() Rule {
	for i := range Table {
		entry := &Table[i]
		if entry.rule == nil || !entry.concerns(r.Optimizer) {
			continue
		}
		value := entry.Default
		if entry.Name == "lr" {
			value = optimizerNamed(r.Optimizer).LR
		}
		entry.fill(entry.rule(&r), value)
	}
	return r
}
