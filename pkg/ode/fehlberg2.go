package ode

// fehlberg2 is the method of Fehlberg (1969), RK1(2), continued with its solution of order 2. The last stage is taken at
// the solution of order 1 and carried, as in torchdiffeq. The dense output is the Hermite polynomial, not
// torchdiffeq's: see bosh3.
var fehlberg2 = Scheme{
	Name:  "fehlberg2",
	Order: 2,
	Doc:   "Fehlberg, order 2 with 1",
	Tableau: &Tableau{
		C: []float64{0, 1. / 2, 1},
		A: [][]float64{
			{},
			{1. / 2},
			{1. / 256, 255. / 256},
		},
		B:      []float64{1. / 512, 255. / 256, 1. / 512},
		E:      []float64{-1. / 512, 0, 1. / 512},
		Q:      []float64{1. / 512, 255. / 256, 1. / 512},
		QOrder: 2,
		Carry:  true,
	},
}
