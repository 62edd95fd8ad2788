package ode

// midpoint is Runge's (1895), order 2.
var midpoint = Scheme{
	Name:  "midpoint",
	Order: 2,
	Doc:   "Runge's midpoint rule, order 2",
	Tableau: &Tableau{
		C:      []float64{0, 1. / 2},
		A:      [][]float64{{}, {1. / 2}},
		B:      []float64{0, 1},
		Q:      []float64{0, 1, 0},
		QOrder: 2,
	},
}
