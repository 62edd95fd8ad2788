package ode

import (
	"errors"
	"fmt"
	"strings"
)

// What can go wrong in a solve. All but the last come wrapped in an *Error that says where.
var (
	ErrNonFinite     = errors.New("state is not finite")
	ErrStepUnderflow = errors.New("step size underflow")
	ErrTooManySteps  = errors.New("too many steps")
	ErrUnsolved      = errors.New("equations of a step not solved") // in steps of one size; else the step is made smaller
	ErrOptions       = errors.New("ode: bad options")               // unknown method, or settings that no solve can honour
)

// Error is a numerical failure of a solve, and where it happened.
type Error struct {
	Block  string  // Problem.Block
	T      float64 // time at the start of the step, units of t
	H      float64 // size of the step, units of t; 0 before the first one is chosen
	Step   int     // number of the step, counted from 1
	Sample int     // first offending sample of the batch, or -1
	Err    error   // one of the above but ErrOptions, or the backend's error
}

// Error reads "block ode: t=0.31 h=1.2e-09 step 57, sample 12: state is not finite".
func (e *Error) Error() string {
	var b strings.Builder
	if e.Block != "" {
		fmt.Fprintf(&b, "block %s: ", e.Block)
	}
	fmt.Fprintf(&b, "t=%.9g h=%.3g step %d", e.T, e.H, e.Step)
	if e.Sample >= 0 {
		fmt.Fprintf(&b, ", sample %d", e.Sample)
	}
	fmt.Fprintf(&b, ": %v", e.Err)
	return b.String()
}

// Numerical says that the numbers failed, not the backend; commands exit with a status of their own then.
func (e *Error) Numerical() bool {
	return e.Err == ErrNonFinite || e.Err == ErrStepUnderflow || e.Err == ErrTooManySteps || e.Err == ErrUnsolved
}

// Unwrap gives errors.Is the sentinel.
func (e *Error) Unwrap() error { return e.Err }
