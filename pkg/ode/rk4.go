package ode

// rk4 is the classical method of Kutta (1901), order 4. torchdiffeq's method of this name is rk38.
var rk4 = Scheme{
	Name:  "rk4",
	Order: 4,
	Doc:   "Kutta's classical method, order 4",
	Tableau: &Tableau{
		C: []float64{0, 1. / 2, 1. / 2, 1},
		A: [][]float64{
			{},
			{1. / 2},
			{0, 1. / 2},
			{0, 0, 1},
		},
		B:      []float64{1. / 6, 1. / 3, 1. / 3, 1. / 6},
		Q:      []float64{1. / 6, 1. / 3, 1. / 3, 1. / 6, 0},
		QOrder: 4,
	},
}
