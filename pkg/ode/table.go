package ode

import "fmt"

// Methods are all methods in display order; the first is the default.
var Methods = []Tableau{
	dopri5,
	rk4,
	euler,
}

// Method finds a method by name; the empty name is the default. The error wraps ErrOptions.
func Method(name string) (Tableau, error) {
	if name == "" {
		return Methods[0], nil
	}
	for _, m := range Methods {
		if m.Name == name {
			return m, nil
		}
	}
	return Tableau{}, fmt.Errorf("method %q: %w", name, ErrOptions)
}
