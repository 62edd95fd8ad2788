package ode

// adaptiveHeun is the method of Heun (1900), order 2, whose error is measured by its difference to Euler's; the slope at
// Euler's solution is carried, as in torchdiffeq, so that a step is one evaluation. The dense output is the Hermite
// polynomial, not torchdiffeq's: see bosh3.
var adaptiveHeun = Scheme{
	Name:  "adaptive_heun",
	Order: 2,
	Doc:   "Heun with Euler, order 2 with 1",
	Tableau: &Tableau{
		C:      []float64{0, 1},
		A:      [][]float64{{}, {1}},
		B:      []float64{1. / 2, 1. / 2},
		E:      []float64{1. / 2, -1. / 2},
		Q:      []float64{1. / 2, 1. / 2},
		QOrder: 2,
		Carry:  true,
	},
}
