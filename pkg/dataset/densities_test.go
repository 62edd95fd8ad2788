package dataset_test

import (
	"math"
	"testing"

	"odepipe/pkg/testkit"
)

// Each density is undone to noise of known moments, row by row.
func TestDensitiesOfTheFlowLiterature(t *testing.T) {
	tests := []struct {
		name      string
		noise     func(i int, x, y float64) float64
		mean, std float64
	}{
		{"circles", func(i int, x, y float64) float64 { return math.Hypot(x, y) - []float64{3, 1.5}[i%2] }, 0.014, 0.24},
		{"rings", func(i int, x, y float64) float64 { return math.Hypot(x, y) - []float64{0.75, 1.5, 2.25, 3}[i%4] }, 0.002, 0.08},
		{"moons", func(i int, x, y float64) float64 {
			x, y = (x+1)/2, (y+0.2)/2
			if i%2 == 1 {
				x, y = 1-x, 0.5-y
			}
			if y < 0 { // beyond the half circle's ends
				return math.Copysign(math.Hypot(math.Abs(x)-1, y), math.Abs(x)-1)
			}
			return math.Hypot(x, y) - 1
		}, 0.005, 0.1},
		{"8gaussians", func(i int, x, y float64) float64 { return 1.414*x - 4*math.Cos(float64(i%8)*math.Pi/4) }, 0, 0.5},
		{"8gaussians", func(i int, x, y float64) float64 { return 1.414*y - 4*math.Sin(float64(i%8)*math.Pi/4) }, 0, 0.5},
		{"pinwheel", func(i int, x, y float64) float64 { return math.Hypot(x, y)/2 - 1 }, 0.005, 0.3},
		{"pinwheel", func(i int, x, y float64) float64 {
			r := math.Hypot(x, y) / 2
			turn := math.Atan2(y, x) + 2*math.Pi*float64(i%5)/5 + math.Exp(r)/4
			return r * math.Remainder(turn, 2*math.Pi)
		}, 0.005, 0.1},
		// The square of the distance from 0, by integration over four million points.
		{"2spirals", func(i int, x, y float64) float64 { return x*x + y*y }, 5.103, 3.165},
		{"swissroll", func(i int, x, y float64) float64 { return x*x + y*y }, (9.75*math.Pi*math.Pi + 2) / 25, 2.214},
		// How far across the arm, in direction of 0: distances from the arm's turn at the same angle.
		{"swissroll", func(i int, x, y float64) float64 {
			return math.Remainder(5*math.Hypot(x, y)-math.Atan2(y, x), 2*math.Pi)
		}, 0.057, 1.002},
		{"2spirals", func(i int, x, y float64) float64 {
			sign := 3 * float64(1-2*(i%2))
			x, y = sign*x-0.25, sign*y-0.25
			return math.Remainder(math.Hypot(x, y)-math.Atan2(y, -x), 2*math.Pi)
		}, 0.012, 0.35},
	}
	for _, test := range tests {
		x, y := points(load(t, test.name, "train", 0))
		if y != nil {
			t.Errorf("%s: a density has no classes", test.name)
		}
		noise := make([]float64, len(x)/2)
		for i := range noise {
			noise[i] = test.noise(i, float64(x[2*i]), float64(x[2*i+1]))
		}
		moments := meanAndVariance(noise)
		testkit.Close(t, test.name, []float64{moments[0], math.Sqrt(moments[1])}, []float64{test.mean, test.std}, 0.005+0.03*test.std, 0.04)
	}
}

func TestCheckerboardHasEightSquares(t *testing.T) {
	x, y := points(load(t, "checkerboard", "train", 0))
	if y != nil {
		t.Error("a density has no classes")
	}
	count := map[[2]int]int{}
	for i := 0; i < len(x); i += 2 {
		square := [2]int{int(math.Floor(float64(x[i]) / 2)), int(math.Floor(float64(x[i+1]) / 2))}
		if (square[0]+square[1])%2 != 0 || max(square[0], square[1]) > 1 || min(square[0], square[1]) < -2 {
			t.Fatalf("row %d lies at %g, %g", i/2, x[i], x[i+1])
		}
		count[square]++
	}
	for square, n := range count {
		if n < 1250-150 || n > 1250+150 {
			t.Errorf("%d rows in the square %v", n, square)
		}
	}
	if len(count) != 8 {
		t.Errorf("%d squares", len(count))
	}
}
