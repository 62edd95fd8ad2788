package testkit

import "math/rand/v2"

// Normal returns n numbers of the standard normal distribution, the same ones for the same seed on every machine.
func Normal(seed uint64, n int) []float64 {
	generator := rand.New(rand.NewPCG(seed, 0))
	v := make([]float64, n)
	for i := range v {
		v[i] = generator.NormFloat64()
	}
	return v
}
