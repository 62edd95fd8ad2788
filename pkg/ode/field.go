package ode

import (
	"odepipe/pkg/backend"
	"odepipe/pkg/tensor"
)

// State is a list of parts, each a batch or a plain tensor.
type State []tensor.T

// Field is the right-hand side f of dx/dt = f(t, x).
type Field interface {
	// Eval writes dst = f(t, y). t has one element, or one for each sample of a batch. dst has all parts of the state; y
	// only those on which f depends, that is, without the Problem's quadratures. Eval keeps neither dst nor t nor y, and
	// does not change y. With Control "sample", t has an element for each sample, and the plain quadratures of dst are
	// the zero T: see Accumulator.
	Eval(dst State, t []float64, y State, e Evaluation)
}

// Evaluation says what one evaluation of a field is for.
type Evaluation struct {
	Quadrature bool // the derivatives of the quadratures will be read; else these parts of dst may be left alone
	// Stage is the index of the slope in the step in hand, the first being 0. Where a method's last slope is the next
	// step's first, that one is not evaluated again. -1: a trial, an iterate of an equation, or part of a
	// step that passes t1.
	Stage int
}

// Problem is a field with what the solver must know of it.
type Problem struct {
	Field Field
	// Quadrature is the number of trailing parts on which f does not depend: integrals along the path.
	Quadrature int
	Norm       Norm          // of the scaled error; nil: Max
	Block      string        // names the problem in errors
	Trace      func(Attempt) // called after every step that was tried, if not nil
}

// like allocates a state of the shapes of y; the zero T stays what it is.
func like(be backend.Backend, y State) State {
	s := make(State, len(y))
	for i, part := range y {
		switch {
		case part.N > 0:
			s[i] = be.Batch(part.N, part.Shape)
		case !absent(part):
			s[i] = be.Plain(part.Shape)
		}
	}
	return s
}

// absent says whether a part is the zero T, or at least has no memory.
func absent(part tensor.T) bool { return part.Buf.Len() == 0 && part.Buf.Device == 0 }
