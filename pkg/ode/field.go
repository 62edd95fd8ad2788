package ode

import (
	"odepipe/pkg/backend"
	"odepipe/pkg/tensor"
)

// State is a list of parts, each a batch or a plain tensor.
type State []tensor.T

// Field is the right-hand side f of dx/dt = f(t, x).
type Field interface {
	// Eval writes dst = f(t, y). dst has all parts of the state; y only those on which f depends, that is, without the
	// Problem's quadratures. If quadrature is not set the derivatives of the quadratures will not be read, so that
	// these parts of dst may be left alone. Eval keeps neither dst nor y, and does not change y.
	Eval(dst State, t float64, y State, quadrature bool)
}

// Problem is a field with what the solver must know of it.
type Problem struct {
	Field Field
	// Quadrature is the number of trailing parts on which f does not depend: integrals along the path.
	Quadrature int
	Norm       Norm   // of the scaled error; nil: Max
	Block      string // names the problem in errors
}

// like allocates a state of the shapes of y.
func like(be backend.Backend, y State) State {
	s := make(State, len(y))
	for i, part := range y {
		if part.N > 0 {
			s[i] = be.Batch(part.N, part.Shape)
		} else {
			s[i] = be.Plain(part.Shape)
		}
	}
	return s
}
