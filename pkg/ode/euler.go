package ode

// euler is the explicit method of Euler (1768), order 1.
var euler = Scheme{
	Name:  "euler",
	Order: 1,
	Doc:   "Euler, order 1",
	Tableau: &Tableau{
		C:      []float64{0},
		A:      [][]float64{{}},
		B:      []float64{1},
		Q:      []float64{1, 0},
		QOrder: 1,
	},
}
