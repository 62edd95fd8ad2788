package ode

// rk4 is the classical method of Kutta (1901), order 4. torchdiffeq's method of this name is Kutta's other one, the
// 3/8 rule.
var rk4 = Tableau{
	Name:  "rk4",
	Order: 4,
	C:     []float64{0, 1. / 2, 1. / 2, 1},
	A: [][]float64{
		{},
		{1. / 2},
		{0, 1. / 2},
		{0, 0, 1},
	},
	B: []float64{1. / 6, 1. / 3, 1. / 3, 1. / 6},
}
