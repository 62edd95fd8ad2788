package ode

import "fmt"

// Methods are all methods in display order, those that choose their steps first; the first is the default.
var Methods = []Scheme{
	dopri5,
	tsit5,
	bosh3,
	fehlberg2,
	adaptiveHeun,
	dopri8,
	kvaerno5,
	euler,
	midpoint,
	heun3,
	rk4,
	rk38,
	explicitAdams,
	implicitAdams,
}

// Scheme is a method of integration.
type Scheme struct {
	Name    string
	Doc     string // for lists of methods: a few words
	Order   int
	Tableau *Tableau // of a Runge-Kutta method, else nil
	// Iterates says that steps solve equations, as well as rtol and atol ask for: of these one has to be positive.
	Iterates bool
}

// Adaptive says whether the method estimates its error, so that a controller can choose the steps.
func (m Scheme) Adaptive() bool { return m.Tableau != nil && m.Tableau.E != nil }

// Method finds a method by name; the empty name is the default. The error wraps ErrOptions.
func Method(name string) (Scheme, error) {
	if name == "" {
		return Methods[0], nil
	}
	for _, m := range Methods {
		if m.Name == name {
			return m, nil
		}
	}
	return Scheme{}, fmt.Errorf("method %q: %w", name, ErrOptions)
}
