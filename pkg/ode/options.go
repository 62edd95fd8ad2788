package ode

import (
	"fmt"
	"math"
	"slices"
)

// Options are the settings of a solve; the zero value of a field is its default.
type Options struct {
	Method     string  // a name in Methods; default dopri5
	Step       float64 // size of all steps, units of t; 0: chosen by adaptive methods, else the whole interval
	RTol, ATol float64 // error at most atol + rtol |y| in the Norm; one is positive where steps are chosen or equations solved
	FirstStep  float64 // the first step of chosen size, units of t; 0: selected by the solver
	DtMin      float64 // least step of chosen size, units of t; 0: 1e-18 |t1 - t0|
	DtMax      float64 // largest step of chosen size, units of t; 0: none
	MaxSteps   int     // most steps tried; 0: 100000
	Controller string  // of chosen steps: a name in Controllers; default i
	Control    string  // of chosen steps: a name in Controls; default batch
}

// Controls are the names that Options.Control takes: the batch has steps in common, their error that of all samples
// together, or each sample has its own, by a tableau that is explicit. The first is the default.
var Controls = []string{"batch", BySample}

// BySample is the control of steps of each sample's own.
const BySample = "sample"

const (
	defaultMaxSteps = 100000
	defaultDtMin    = 1e-18 // times |t1 - t0|: sixty halvings, then there is no hope
)

// Stats says what a solve cost. Steps are the accepted ones, Rejected those tried in vain; with Control "sample" those
// that some sample took, and those that none did.
type Stats struct {
	Evaluations, Steps, Rejected int
	JVPs                         int     // products with the Jacobian of a field that is Linear
	LastStep                     float64 // size of the last accepted step, units of t
}

// plan is a solve as it was asked for, defaults filled in.
type plan struct {
	Options
	method    Scheme
	control   controller
	t0, t1    float64
	direction float64 // sign of t1 - t0
}

// plan checks the options and fills in their defaults. The error wraps ErrOptions.
func (o Options) plan(t0, t1 float64) (plan, error) {
	p := plan{Options: o, t0: t0, t1: t1, direction: math.Copysign(1, t1-t0)}
	var err error
	if p.method, err = Method(o.Method); err != nil {
		return p, err
	}
	if p.control, err = findController(o.Controller); err != nil {
		return p, err
	}
	for _, x := range []float64{o.RTol, o.ATol, o.Step, o.FirstStep, o.DtMin, o.DtMax} {
		if !(x >= 0) || math.IsInf(x, 0) {
			return p, fmt.Errorf("%v is negative or not finite: %w", x, ErrOptions)
		}
	}
	if o.MaxSteps == 0 {
		p.MaxSteps = defaultMaxSteps
	}
	if o.DtMin == 0 {
		p.DtMin = defaultDtMin * math.Abs(t1-t0)
	}
	if o.DtMax == 0 {
		p.DtMax = math.Inf(1)
	}
	return p, p.contradiction()
}

// chosen says whether the controller chooses the steps; else they have one size.
func (p *plan) chosen() bool { return p.method.Adaptive() && p.Step == 0 }

// separate says whether every sample has steps of its own.
func (p *plan) separate() bool { return p.Control == "sample" }

// contradiction says which settings no solve can honour together, or would have no effect.
func (p *plan) contradiction() error {
	chosen, m := p.chosen(), p.method
	var why string
	switch {
	case !finite(p.t1 - p.t0):
		why = fmt.Sprintf("interval %v to %v", p.t0, p.t1)
	case p.MaxSteps < 0:
		why = fmt.Sprintf("at most %d steps", p.MaxSteps)
	case (chosen || m.Iterates) && p.RTol == 0 && p.ATol == 0:
		why = fmt.Sprintf("method %s needs rtol or atol", m.Name)
	case p.Control != "" && !slices.Contains(Controls, p.Control):
		why = fmt.Sprintf("control %q", p.Control)
	case !chosen && p.FirstStep > 0:
		why = "steps of one size, so first step has no effect"
	case !chosen && !math.IsInf(p.DtMax, 1):
		why = "steps of one size, so a largest step has no effect"
	case !chosen && p.control.name != Controllers[0]:
		why = fmt.Sprintf("steps of one size, so controller %s has no effect", p.control.name)
	case !chosen && p.separate():
		why = "steps of one size, so control sample has no effect"
	case p.separate() && (m.Tableau.Gamma != 0 || !m.Tableau.reuses()):
		why = fmt.Sprintf("method %s steps all samples together", m.Name)
	case p.DtMax < p.DtMin:
		why = fmt.Sprintf("largest step %v below the least, %v", p.DtMax, p.DtMin)
	default:
		return nil
	}
	return fmt.Errorf("%s: %w", why, ErrOptions)
}
