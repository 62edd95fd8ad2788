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
	RTol, ATol float64 // for steps of chosen size, at least one positive: error at most atol + rtol |y| in the Norm
	FirstStep  float64 // the first step of chosen size, units of t; 0: selected by the solver
	DtMin      float64 // least step of chosen size, units of t; 0: 1e-18 |t1 - t0|
	DtMax      float64 // largest step of chosen size, units of t; 0: none
	MaxSteps   int     // most steps tried; 0: 100000
	Controller string  // of chosen steps: a name in Controllers; default i
	Control    string  // of chosen steps: a name in Controls; default batch
}

// Controls are the names that Options.Control takes: the batch has steps in common, their error that of all samples
// together, or each sample has its own, by a tableau that is explicit. The first is the default.
var Controls = []string{"batch", "sample"}

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

// sample says whether every sample has steps of its own.
func (o Options) sample() bool { return o.Control == "sample" }

// complete returns the options with their defaults filled in, the method and the controller. The error wraps ErrOptions.
func (o Options) complete(t0, t1 float64) (Options, Scheme, controller, error) {
	m, err := Method(o.Method)
	if err != nil {
		return o, m, controller{}, err
	}
	control, err := findController(o.Controller)
	if err != nil {
		return o, m, control, err
	}
	for _, x := range []float64{o.RTol, o.ATol, o.Step, o.FirstStep, o.DtMin, o.DtMax} {
		if !(x >= 0) || math.IsInf(x, 0) {
			return o, m, control, fmt.Errorf("%v is negative or not finite: %w", x, ErrOptions)
		}
	}
	chosen := m.Adaptive() && o.Step == 0
	switch {
	case !finite(t1 - t0):
		err = fmt.Errorf("interval %v to %v: %w", t0, t1, ErrOptions)
	case o.MaxSteps < 0:
		err = fmt.Errorf("at most %d steps: %w", o.MaxSteps, ErrOptions)
	case (chosen || m.Iterates) && o.RTol == 0 && o.ATol == 0:
		err = fmt.Errorf("method %s needs rtol or atol: %w", m.Name, ErrOptions)
	case !chosen && o.FirstStep > 0:
		err = fmt.Errorf("steps of one size, so first step has no effect: %w", ErrOptions)
	case !chosen && o.DtMax > 0:
		err = fmt.Errorf("steps of one size, so a largest step has no effect: %w", ErrOptions)
	case !chosen && slices.Index(Controllers, o.Controller) > 0:
		err = fmt.Errorf("steps of one size, so controller %s has no effect: %w", o.Controller, ErrOptions)
	case o.Control != "" && !slices.Contains(Controls, o.Control):
		err = fmt.Errorf("control %q: %w", o.Control, ErrOptions)
	case o.sample() && !chosen:
		err = fmt.Errorf("steps of one size, so control sample has no effect: %w", ErrOptions)
	case o.sample() && (m.Tableau.Gamma != 0 || !m.Tableau.reuses()):
		err = fmt.Errorf("method %s steps all samples together: %w", m.Name, ErrOptions)
	case o.DtMax > 0 && o.DtMax < o.DtMin:
		err = fmt.Errorf("largest step %v below the least, %v: %w", o.DtMax, o.DtMin, ErrOptions)
	}
	if o.MaxSteps == 0 {
		o.MaxSteps = defaultMaxSteps
	}
	if o.DtMin == 0 {
		o.DtMin = defaultDtMin * math.Abs(t1-t0)
	}
	if o.DtMax == 0 {
		o.DtMax = math.Inf(1)
	}
	return o, m, control, err
}
