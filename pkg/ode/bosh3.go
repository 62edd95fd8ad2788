package ode

// bosh3 is the method of Bogacki and Shampine (1989), order 3 with an embedded solution of order 2. torchdiffeq's value
// for the middle of a step is good to order 1 only, and so is its result where a step passes the end; the Hermite
// polynomial keeps order 3. Steps and evaluations do not depend on that.
var bosh3 = Scheme{
	Name:  "bosh3",
	Order: 3,
	Doc:   "Bogacki and Shampine, order 3 with 2",
	Tableau: &Tableau{
		C: []float64{0, 1. / 2, 3. / 4, 1},
		A: [][]float64{
			{},
			{1. / 2},
			{0, 3. / 4},
			{2. / 9, 1. / 3, 4. / 9},
		},
		B:      []float64{2. / 9, 1. / 3, 4. / 9, 0},
		E:      []float64{2./9 - 7./24, 1./3 - 1./4, 4./9 - 1./3, -1. / 8},
		Q:      []float64{2. / 9, 1. / 3, 4. / 9, 0},
		QOrder: 3,
	},
}
