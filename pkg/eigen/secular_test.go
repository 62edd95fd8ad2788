package eigen

import (
	"math"
	"math/rand"
	"slices"
	"testing"
)

// Poles and weights as deflation would hardly leave them: close to each other, close to zero, over many magnitudes.
func TestSecularEigenvectors(t *testing.T) {
	rng := rand.New(rand.NewSource(7))
	poles := map[string]func(i int) float64{
		"normal":     func(int) float64 { return rng.NormFloat64() },
		"graded":     func(int) float64 { return math.Pow(10, -14*rng.Float64()) },
		"a cluster":  func(i int) float64 { return 1 + 1e-14*float64(i) },
		"near pairs": func(i int) float64 { return float64(i/2) + 1e-13*float64(i%2) },
	}
	for name, pole := range poles {
		for trial := 0; trial < 300; trial++ {
			k := 1 + rng.Intn(40)
			spread := 15 * float64(trial%2)
			d := list(k, pole)
			slices.Sort(d)
			z := list(k, func(int) float64 { return rng.NormFloat64() * math.Pow(10, -spread*rng.Float64()) })
			norm := math.Sqrt(dot(z, z))
			position := make([]int, k)
			for i := range z {
				z[i] /= norm
				position[i] = i
			}
			rho := math.Pow(10, -10*rng.Float64())
			values, vectors := make([]float64, k), make([]float64, k*k)
			if err := secularEigenvectors(rho, d, z, values, vectors, position, 1); err != nil {
				t.Fatalf("%s, k = %d: %v", name, k, err)
			}
			checkSecular(t, name, rho, d, z, values, vectors)
		}
	}
}

// checkSecular holds rows of vectors to be orthonormal eigenvectors of diag(d) + rho z z^T, values to interlace d.
func checkSecular(t *testing.T, name string, rho float64, d, z, values, vectors []float64) {
	t.Helper()
	k := len(d)
	tolerance := 1e-14 * float64(k)
	largest := rho
	for _, x := range d {
		largest = max(largest, math.Abs(x))
	}
	for i := 0; i < k; i++ {
		row := vectors[i*k : i*k+k]
		if !(values[i] >= d[i]) || i+1 < k && !(values[i] <= d[i+1]) {
			t.Fatalf("%s, k = %d: root %d is %.17g, poles %.17g", name, k, i, values[i], d)
		}
		for j := 0; j < k; j++ {
			want := 0.0
			if i == j {
				want = 1
			}
			if got := dot(row, vectors[j*k:j*k+k]); !(math.Abs(got-want) <= tolerance) {
				t.Fatalf("%s, k = %d: <row %d, row %d> = %g", name, k, i, j, got)
			}
			residual := d[j]*row[j] + rho*z[j]*dot(z, row) - values[i]*row[j]
			if !(math.Abs(residual) <= tolerance*largest) {
				t.Fatalf("%s, k = %d: residual of row %d is %g at %d", name, k, i, residual, j)
			}
		}
	}
}
