package optim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"odepipe/pkg/backend"
	"odepipe/pkg/tensor"
)

// OptimizerInfo describes an optimizer.
type OptimizerInfo struct {
	Name, Help     string
	LR             string // default learning rate, in text
	preconditioned bool   // by layer, before start's updater sees the direction
	diagonal       bool   // preconditioned by the diagonal of the Hessian instead
	decoupled      bool   // weight decay is the updater's, not part of the gradient
	start          func(be backend.Backend, r Rule, shape tensor.Shape) updater
}

// Optimizers are all there are; the first is the default.
var Optimizers = []OptimizerInfo{
	{Name: "snopt", Help: "second-order: gradient preconditioned in the eigenbasis of Kronecker factors, then SGD", LR: "0.01", preconditioned: true, start: newSGD},
	{Name: "sgd", Help: "stochastic gradient descent", LR: "0.01", start: newSGD},
	{Name: "adam", Help: "Adam; weight decay is added to the gradient", LR: "0.001", start: newAdam},
	{Name: "adamw", Help: "Adam; weight decay acts on the parameters alone", LR: "0.001", decoupled: true, start: newAdamW},
	{Name: "newton", Help: "second-order baseline: gradient divided by the Hessian's diagonal, then SGD", LR: "0.01", diagonal: true, start: newSGD},
}

// Setting describes one setting to users: as a flag, in help, and in a checkpoint's metadata.
type Setting struct {
	Name    string
	Default string // in text; empty for none, and for lr, whose default is the optimizer's
	Unit    string // what the value is: a metavariable for help
	Help    string
	Of      []string // the optimizers that look at it; nil for all

	within interval
	choice func() []string     // of a name
	rule   func(*Rule) any     // the field, for a setting of a rule
	whole  func(*Settings) any // the field, for one of all parameters
}

var (
	first    = []string{"snopt", "sgd", "newton"}
	moment   = []string{"adam", "adamw"}
	second   = []string{"snopt"}
	curved   = []string{"snopt", "newton"}
	diagonal = []string{"newton"}
)

// Table lists all settings in the order of help. No range contains 0 unless 0 is the default, so that a field's zero
// value can stand for the default.
var Table = []Setting{
	{Name: "optimizer", Default: "snopt", Unit: "NAME", Help: "how parameters are changed", choice: optimizerNames, rule: func(r *Rule) any { return &r.Optimizer }},
	{Name: "lr", Unit: "RATE", Help: "learning rate; default 0.01 for snopt, sgd and newton, 0.001 for adam and adamw", within: positive, rule: func(r *Rule) any { return &r.LR }},
	{Name: "momentum", Default: "0", Unit: "FACTOR", Help: "share of the step before that each step repeats", Of: first, within: fraction, rule: func(r *Rule) any { return &r.Momentum }},
	{Name: "nesterov", Unit: "BOOL", Help: "Nesterov's form of momentum", Of: first, rule: func(r *Rule) any { return &r.Nesterov }},
	{Name: "weight-decay", Default: "0", Unit: "GAMMA", Help: "L2 penalty: gamma theta is added to the gradient; with adamw theta is scaled by 1 - lr gamma instead", within: notNegative, rule: func(r *Rule) any { return &r.WeightDecay }},
	{Name: "beta1", Default: "0.9", Unit: "FACTOR", Help: "decay of the mean of gradients", Of: moment, within: inside, rule: func(r *Rule) any { return &r.Beta1 }},
	{Name: "beta2", Default: "0.999", Unit: "FACTOR", Help: "decay of the mean of squared gradients", Of: moment, within: inside, rule: func(r *Rule) any { return &r.Beta2 }},
	{Name: "adam-eps", Default: "1e-8", Unit: "EPS", Help: "added to the root of the mean square, units of the gradient", Of: moment, within: positive, rule: func(r *Rule) any { return &r.AdamEps }},
	{Name: "eps", Default: "0.05", Unit: "EPS", Help: "Tikhonov damping added to the curvature, units of the curvature", Of: curved, within: positive, rule: func(r *Rule) any { return &r.Eps }},
	{Name: "alpha", Default: "0.75", Unit: "FACTOR", Help: "share of the curvature in the eigenbasis that each step keeps; 1 holds it until the next refresh", Of: second, within: share, rule: func(r *Rule) any { return &r.Alpha }},
	{Name: "preconditioner", Default: "ekfac", Unit: "NAME", Help: "ekfac corrects the eigenvalues by every gradient (Algorithm 2), kfac inverts the factors as they are (14)", Of: second, choice: preconditionerNames, whole: func(s *Settings) any { return &s.Preconditioner }},
	{Name: "damping", Default: "fixed", Unit: "NAME", Help: "how eps is added: fixed; pi splits it between the factors; relative scales it by the mean curvature; adaptive moves it as the loss follows its prediction (Levenberg-Marquardt)", Of: second, choice: dampingNames, whole: func(s *Settings) any { return &s.Damping }},
	{Name: "damping-freq", Default: "5", Unit: "STEPS", Help: "steps from one change of adaptive damping to the next", Of: second, within: positive, whole: func(s *Settings) any { return &s.DampingFreq }},
	{Name: "freq", Unit: "STEPS", Help: "steps from one refresh of the curvature to the next; default 100, or 1 for newton without snopt", Of: curved, within: positive, whole: func(s *Settings) any { return &s.Freq }},
	{Name: "freq-growth", Default: "1", Unit: "FACTOR", Help: "factor by which each of these periods is longer than the one before", Of: curved, within: fromOne, whole: func(s *Settings) any { return &s.FreqGrowth }},
	{Name: "freq-max", Unit: "STEPS", Help: "longest period of refreshes that grow apart", Of: curved, within: positive, whole: func(s *Settings) any { return &s.FreqMax }},
	{Name: "factor-freq", Unit: "STEPS", Help: "steps from one pair of Kronecker factors to the next; by default they come with the refreshes", Of: second, within: positive, whole: func(s *Settings) any { return &s.FactorFreq }},
	{Name: "factor-decay", Default: "0", Unit: "RHO", Help: "decay of the moving average of the factors that a refresh decomposes; 0 takes the last ones alone", Of: second, within: fraction, whole: func(s *Settings) any { return &s.FactorDecay }},
	{Name: "factors", Default: "grid", Unit: "NAME", Help: "where Kronecker factors are sampled: on a uniform grid, or at the stages of the backward solve's own steps", Of: second, choice: samplerNames, whole: func(s *Settings) any { return &s.Factors }},
	{Name: "factor-step", Unit: "DT", Help: "largest spacing of the grid, units of t; default 0.01", Of: second, within: positive, whole: func(s *Settings) any { return &s.FactorStep }},
	{Name: "terminal", Default: "gradient", Unit: "NAME", Help: "what the vectors q of Proposition 2 start from: the loss's gradient, an exact factor of its Hessian, or samples whose outer products have it as their mean", Of: second, choice: terminalNames, whole: func(s *Settings) any { return &s.Terminal }},
	{Name: "rank", Unit: "R", Help: "number of sampled vectors q; default 1", Of: second, within: positive, whole: func(s *Settings) any { return &s.Rank }},
	{Name: "vectors", Default: "1", Unit: "N", Help: "probes of the Hessian's diagonal, a Hessian-vector product each", Of: diagonal, within: positive, whole: func(s *Settings) any { return &s.Vectors }},
	{Name: "hessian-decay", Default: "0.9", Unit: "RHO", Help: "decay of the moving average of the Hessian's diagonal over refreshes", Of: diagonal, within: inside, whole: func(s *Settings) any { return &s.HessianDecay }},
	{Name: "kl-clip", Unit: "KAPPA", Help: "trust region: steps of preconditioned layers are shortened to sum lr^2 <d, g> <= kappa; none by default, 0.001 is common", Of: second, within: positive, whole: func(s *Settings) any { return &s.KLClip }},
	{Name: "clip-norm", Unit: "NORM", Help: "scale all gradients down to this Euclidean norm of the whole; none by default", within: positive, whole: func(s *Settings) any { return &s.ClipNorm }},
	{Name: "horizon", Default: "fixed", Unit: "NAME", Help: "the t1 of ODE blocks: fixed, or trained with a penalty c/2 (t1-t0)^2: baseline by its gradient, feedback by second order and what the parameters' step changes (16)", choice: horizonNames, whole: func(s *Settings) any { return &s.Horizon }},
	{Name: "horizon-lr", Default: "0.1", Unit: "RATE", Help: "rate of t1", within: positive, whole: func(s *Settings) any { return &s.HorizonLR }},
	{Name: "horizon-cost", Default: "0.0005", Unit: "C", Help: "c of the penalty, units of the loss over t squared", within: positive, whole: func(s *Settings) any { return &s.HorizonCost }},
	{Name: "horizon-freq", Default: "50", Unit: "STEPS", Help: "steps from one change of t1 to the next", within: positive, whole: func(s *Settings) any { return &s.HorizonFreq }},
	{Name: "horizon-decay", Default: "0.99", Unit: "FACTOR", Help: "decay of the averages of the derivatives in t1", within: inside, whole: func(s *Settings) any { return &s.HorizonDecay }},
	{Name: "horizon-min", Default: "0.1", Unit: "LENGTH", Help: "smallest distance of t1 from t0, units of t", within: positive, whole: func(s *Settings) any { return &s.HorizonMin }},
	{Name: "steer", Unit: "B", Help: "draw the t1 of ODE blocks anew for each step, uniformly from t1 - B to t1 + B, units of t; none by default", within: positive, whole: func(s *Settings) any { return &s.Steer }},
	{Name: "steer-seed", Default: "0", Unit: "SEED", Help: "seed of these draws", within: notNegative, whole: func(s *Settings) any { return &s.SteerSeed }},
	{Name: "schedule", Default: "constant", Unit: "NAME", Help: "how the learning rates change with the step", choice: scheduleNames, whole: func(s *Settings) any { return &s.Schedule }},
	{Name: "milestones", Unit: "STEP,...", Help: "steps from which on the multistep schedule multiplies the rates by gamma once more", within: positive, whole: func(s *Settings) any { return &s.Milestones }},
	{Name: "gamma", Default: "0.1", Unit: "FACTOR", Help: "factor of the multistep schedule", within: positive, whole: func(s *Settings) any { return &s.Gamma }},
	{Name: "warm-up", Default: "0", Unit: "STEPS", Help: "steps over which the rates rise linearly at first", within: notNegative, whole: func(s *Settings) any { return &s.WarmUp }},
	{Name: "total-steps", Unit: "STEPS", Help: "step at which the cosine schedule reaches 0", within: positive, whole: func(s *Settings) any { return &s.TotalSteps }},
	{Name: "group", Unit: "PATTERN=RULE", Help: "settings of the parameters whose names match, e.g. 'fc.*=adam,lr=0.001', '*.bias=weight-decay=0', '!ode.*=sgd'; may be repeated, the first match wins", whole: func(s *Settings) any { return &s.Groups }},
}

// settingNamed and optimizerNamed find an entry, or nil.
func settingNamed(name string) *Setting {
	if i := slices.IndexFunc(Table, func(e Setting) bool { return e.Name == name }); i >= 0 {
		return &Table[i]
	}
	return nil
}

func optimizerNamed(name string) OptimizerInfo {
	return Optimizers[slices.Index(optimizerNames(), name)]
}

func optimizerNames() []string {
	names := make([]string, len(Optimizers))
	for i, o := range Optimizers {
		names[i] = o.Name
	}
	return names
}

// concerns says whether an optimizer looks at the setting.
func (e *Setting) concerns(optimizer string) bool {
	return e.Of == nil || slices.Contains(e.Of, optimizer)
}

// field is a pointer to the setting's value.
func (e *Setting) field(s *Settings) any {
	if e.rule != nil {
		return e.rule(&s.Main)
	}
	return e.whole(s)
}

// fill gives a field its default if it has none.
func (e *Setting) fill(field any, value string) {
	if value == "" || len(valuesOf(field)) > 0 {
		return
	}
	if err := e.set(field, value); err != nil {
		panic("optim: default out of its own range")
	}
}

// set parses a value into a field of the setting. It returns ErrSetting.
func (e *Setting) set(field any, value string) error {
	var err error
	x := 1.0
	switch f := field.(type) {
	case *float64:
		*f, err = strconv.ParseFloat(value, 64)
		x = *f
	case *int64:
		*f, err = strconv.ParseInt(value, 10, 64)
		x = float64(*f)
	case *bool:
		*f, err = strconv.ParseBool(value)
	case *string:
		if names := e.choice(); !slices.Contains(names, value) {
			return fmt.Errorf("%w: %s %q is not one of %s", ErrSetting, e.Name, value, strings.Join(names, ", "))
		}
		*f = value
	case *[]int64:
		return e.setList(f, value)
	case *[]Group:
		g, groupErr := parseGroup(value)
		*f = append(*f, g)
		return groupErr
	}
	if err != nil {
		return fmt.Errorf("%w: %s %q is not a value of its kind", ErrSetting, e.Name, value)
	}
	if !e.within.contains(x) {
		return fmt.Errorf("%w: %s %s must be %s", ErrSetting, e.Name, value, e.within)
	}
	return nil
}

// setList parses ascending numbers joined by commas.
func (e *Setting) setList(list *[]int64, value string) error {
	*list = nil
	for _, word := range strings.Split(value, ",") {
		var x int64
		if err := e.set(&x, word); err != nil {
			return err
		}
		if n := len(*list); n > 0 && (*list)[n-1] >= x {
			return fmt.Errorf("%w: %s %s do not ascend", ErrSetting, e.Name, value)
		}
		*list = append(*list, x)
	}
	return nil
}

// valuesOf writes a field in text, nothing if it is zero; a list of groups has a value for each.
func valuesOf(field any) []string {
	switch f := field.(type) {
	case *float64:
		if *f != 0 {
			return []string{strconv.FormatFloat(*f, 'g', -1, 64)}
		}
	case *int64:
		if *f != 0 {
			return []string{strconv.FormatInt(*f, 10)}
		}
	case *bool:
		if *f {
			return []string{"true"}
		}
	case *string:
		if *f != "" {
			return []string{*f}
		}
	case *[]int64:
		if len(*f) > 0 {
			return []string{strings.Trim(strings.ReplaceAll(fmt.Sprint(*f), " ", ","), "[]")}
		}
	case *[]Group:
		words := make([]string, len(*f))
		for i, g := range *f {
			words[i] = g.String()
		}
		return words
	}
	return nil
}
