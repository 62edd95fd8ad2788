package ode

// euler is the explicit method of Euler (1768), order 1.
var euler = Tableau{
	Name:  "euler",
	Order: 1,
	C:     []float64{0},
	A:     [][]float64{{}},
	B:     []float64{1},
}
