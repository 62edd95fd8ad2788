package ode

// heun3 is the method of Heun (1900), order 3.
var heun3 = Scheme{
	Name:  "heun3",
	Order: 3,
	Doc:   "Heun, order 3",
	Tableau: &Tableau{
		C:      []float64{0, 1. / 3, 2. / 3},
		A:      [][]float64{{}, {1. / 3}, {0, 2. / 3}},
		B:      []float64{1. / 4, 0, 3. / 4},
		Q:      []float64{1. / 4, 0, 3. / 4, 0},
		QOrder: 3,
	},
}
