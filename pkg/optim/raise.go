package optim

import (
	"fmt"
	"slices"
	"strconv"
)

// RaiseDamping multiplies eps by a factor wherever parameters are preconditioned, defaults included. It returns
// ErrSetting if nothing is, or if the factor or a product is no value of eps.
func (s Settings) RaiseDamping(factor float64) (Settings, error) {
	rules := s.rules()
	if !slices.ContainsFunc(rules, Rule.damped) {
		return s, fmt.Errorf("%w: %s has no damping to raise", ErrSetting, rules[0].Optimizer)
	}
	eps := settingNamed("eps")
	raised := func(r Rule) string { return strconv.FormatFloat(factor*r.Eps, 'g', -1, 64) }
	if rules[0].damped() {
		if err := eps.set(&s.Main.Eps, raised(rules[0])); err != nil {
			return s, err
		}
	}
	s.Groups = slices.Clone(s.Groups)
	for i, rule := range rules[1:] {
		g := &s.Groups[i]
		g.Overrides = slices.Clone(g.Overrides)
		own := slices.IndexFunc(g.Overrides, func(o Override) bool { return o.Name == eps.Name })
		switch {
		case !rule.damped() || own < 0 && rule.Optimizer == rules[0].Optimizer: // which has Main's
		case own < 0:
			g.Overrides = append(g.Overrides, Override{eps.Name, raised(rule)})
		default:
			g.Overrides[own].Value = raised(rule)
		}
	}
	return s, s.Check()
}

// damped says whether the rule's optimizer looks at eps.
func (r Rule) damped() bool { return settingNamed("eps").concerns(r.Optimizer) }
