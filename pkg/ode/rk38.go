package ode

// rk38 is the 3/8 rule of Kutta (1901), order 4, with a smaller error than rk4's. torchdiffeq calls it rk4.
var rk38 = Scheme{
	Name:  "rk38",
	Order: 4,
	Doc:   "Kutta's 3/8 rule, order 4; torchdiffeq's rk4",
	Tableau: &Tableau{
		C: []float64{0, 1. / 3, 2. / 3, 1},
		A: [][]float64{
			{},
			{1. / 3},
			{-1. / 3, 1},
			{1, -1, 1},
		},
		B:      []float64{1. / 8, 3. / 8, 3. / 8, 1. / 8},
		Q:      []float64{1. / 8, 3. / 8, 3. / 8, 1. / 8, 0},
		QOrder: 4,
	},
}
