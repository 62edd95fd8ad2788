package eigen

import (
	"errors"
	"fmt"
	"math"
	"math/rand"
	"slices"
	"testing"
)

// solvers are the implementations of this machine.
func solvers(t testing.TB) map[string]solver {
	out := map[string]solver{"native": native}
	if library := lapack(); library.dsyevd != 0 {
		out["lapack"] = library.symmetric
	} else {
		t.Log("no LAPACK library on this machine: the native solver alone is tested")
	}
	return out
}

// random is a symmetric matrix with normally distributed entries.
func random(n int, rng *rand.Rand) []float64 {
	a := make([]float64, n*n)
	for i := 0; i < n; i++ {
		for j := 0; j <= i; j++ {
			a[i*n+j] = rng.NormFloat64()
			a[j*n+i] = a[i*n+j]
		}
	}
	return a
}

// rotated is U diag(values) U^T for a random orthogonal U, made of reflectors.
func rotated(values []float64, rng *rand.Rand) []float64 {
	n := len(values)
	a := make([]float64, n*n)
	for i, v := range values {
		a[i*n+i] = v
	}
	for k := 0; k < 5; k++ { // a <- (I - 2 v v^T) a (I - 2 v v^T)
		v, av := make([]float64, n), make([]float64, n)
		for i := range v {
			v[i] = rng.NormFloat64()
		}
		scale := 1 / math.Sqrt(dot(v, v))
		for i := range v {
			v[i] *= scale
		}
		for i := range av {
			av[i] = dot(a[i*n:i*n+n], v)
		}
		vav := dot(v, av)
		for i := 0; i < n; i++ {
			for j := 0; j <= i; j++ {
				a[i*n+j] += 4*vav*v[i]*v[j] - 2*v[i]*av[j] - 2*av[i]*v[j]
				a[j*n+i] = a[i*n+j]
			}
		}
	}
	return a
}

func tridiagonal(d, e func(i int) float64, n int) []float64 {
	a := make([]float64, n*n)
	for i := 0; i < n; i++ {
		a[i*n+i] = d(i)
		if i+1 < n {
			a[i*n+i+1], a[(i+1)*n+i] = e(i), e(i)
		}
	}
	return a
}

func list(n int, f func(i int) float64) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = f(i)
	}
	return out
}

// check solves a and holds the result to 1e-12 n: values ascending, U orthonormal, a U = U diag(values).
func check(t *testing.T, solve solver, n int, a []float64, threads int) (values, vectors []float64) {
	t.Helper()
	values, vectors = make([]float64, n), slices.Clone(a)
	if err := scaled(solve, n, vectors, values, threads); err != nil {
		t.Fatal(err)
	}
	largest := 0.0
	for _, v := range a {
		largest = max(largest, math.Abs(v))
	}
	tolerance := 1e-12 * float64(n)
	if !slices.IsSorted(values) {
		t.Error("values are not ascending")
	}
	gram, residual := make([]float64, n*n), make([]float64, n*n)
	u := rowMajor(vectors, n)
	product(n, n, n, 1, u.transposed(), u, rowMajor(gram, n), 1)
	product(n, n, n, 1, rowMajor(a, n), u, rowMajor(residual, n), 1)
	for i := 0; i < n; i++ {
		for j := 0; j < n; j++ {
			want := 0.0
			if i == j {
				want = 1
			}
			if !(math.Abs(gram[i*n+j]-want) <= tolerance) {
				t.Fatalf("(U^T U)[%d, %d] = %g", i, j, gram[i*n+j])
			}
			if r := residual[i*n+j] - vectors[i*n+j]*values[j]; !(math.Abs(r) <= tolerance*largest) {
				t.Fatalf("(a U - U diag(values))[%d, %d] = %g, largest entry %g", i, j, r, largest)
			}
		}
	}
	return values, vectors
}

func TestDecomposition(t *testing.T) {
	rng := rand.New(rand.NewSource(1))
	one := func(int) float64 { return 1 }
	cases := []struct {
		name string
		n    int
		a    []float64
		want []float64 // the spectrum, where it is known
	}{
		{"nothing", 0, nil, nil},
		{"a number", 1, []float64{-3}, []float64{-3}},
		{"zero", 1, []float64{0}, []float64{0}},
		{"two by two", 2, []float64{2, 1, 1, 2}, []float64{1, 3}},
		{"a swap", 2, []float64{0, 1, 1, 0}, []float64{-1, 1}},
		{"three by three, all ones", 3, list(9, one), []float64{0, 0, 3}},
		{"all zero", 70, make([]float64, 70*70), make([]float64, 70)},
		{"identity", 70, rotated(list(70, one), rng), list(70, one)},
		{"all ones", 100, list(100*100, one), append(make([]float64, 99), 100)},
		{"1-d Laplacian", 200, tridiagonal(func(int) float64 { return 2 }, func(int) float64 { return -1 }, 200),
			list(200, func(i int) float64 { return 2 - 2*math.Cos(float64(i+1)*math.Pi/201) })},
		{"no diagonal", 130, tridiagonal(func(int) float64 { return 0 }, one, 130),
			list(130, func(i int) float64 { return -2 * math.Cos(float64(i+1)*math.Pi/131) })},
		{"Wilkinson's pairs", 201, tridiagonal(func(i int) float64 { return math.Abs(float64(i - 100)) }, one, 201), nil},
		{"glued at 1e-9", 210, tridiagonal(func(i int) float64 { return math.Abs(float64(i%21 - 10)) }, func(i int) float64 {
			if i%21 == 20 {
				return 1e-9
			}
			return 1
		}, 210), nil},
		{"two clusters", 150, rotated(list(150, func(i int) float64 { return float64(i/75) + float64(i%75)*1e-15 }), rng), list(150, func(i int) float64 { return float64(i / 75) })},
		{"rank 10", 160, rotated(append(make([]float64, 150), list(10, func(i int) float64 { return float64(i + 1) })...), rng),
			append(make([]float64, 150), list(10, func(i int) float64 { return float64(i + 1) })...)},
		{"graded by rotation, 1e-20 to 1", 120, rotated(list(120, func(i int) float64 { return math.Pow(10, -20+20*float64(i)/119) }), rng),
			list(120, func(i int) float64 { return math.Pow(10, -20+20*float64(i)/119) })},
		{"graded by rows", 100, graded(100, rng), nil},
		{"block diagonal", 96, blocks(96, rng), nil},
		{"random", 33, random(33, rng), nil},
		{"random", 64, random(64, rng), nil},
		{"random", 65, random(65, rng), nil},
		{"random", 67, random(67, rng), nil},
		{"random", 331, random(331, rng), nil},
		{"tiny numbers", 50, rotated(list(50, func(i int) float64 { return float64(i) * 1e-300 }), rng), nil},
		{"huge numbers", 50, rotated(list(50, func(i int) float64 { return float64(i) * 1e300 }), rng), nil},
	}
	for name, solve := range solvers(t) {
		for _, c := range cases {
			t.Run(fmt.Sprintf("%s/%s/n=%d", name, c.name, c.n), func(t *testing.T) {
				values, _ := check(t, solve, c.n, c.a, 2)
				for i, want := range c.want {
					if !(math.Abs(values[i]-want) <= 1e-13*float64(c.n)*max(1, c.want[c.n-1])) {
						t.Errorf("value %d is %.17g, want %.17g", i, values[i], want)
					}
				}
			})
		}
	}
}

// graded has entries that fall by 14 orders of magnitude from the first row to the last.
func graded(n int, rng *rand.Rand) []float64 {
	a := random(n, rng)
	for i := 0; i < n; i++ {
		for j := 0; j < n; j++ {
			a[i*n+j] *= math.Pow(10, -7*float64(i+j)/float64(n))
		}
	}
	return a
}

// blocks couples no entry with one further than 7 away.
func blocks(n int, rng *rand.Rand) []float64 {
	a := random(n, rng)
	for i := 0; i < n; i++ {
		for j := 0; j < n; j++ {
			if i/8 != j/8 {
				a[i*n+j] = 0
			}
		}
	}
	return a
}

func TestLargeMatrixOfAKroneckerFactor(t *testing.T) {
	const n, samples = 577, 300
	rng := rand.New(rand.NewSource(2))
	x := list(samples*n, func(int) float64 { return max(rng.NormFloat64(), 0) })
	a := make([]float64, n*n)
	product(n, n, samples, 1, rowMajor(x, n).transposed(), rowMajor(x, n), rowMajor(a, n), 1)
	for name, solve := range solvers(t) {
		t.Run(name, func(t *testing.T) {
			values, _ := check(t, solve, n, a, 2)
			for i, v := range values[:n-samples] {
				if !(math.Abs(v) <= 1e-12*values[n-1]) {
					t.Errorf("value %d of a matrix of rank %d is %g", i, samples, v)
				}
			}
		})
	}
}

func TestThreadsDoNotChangeABit(t *testing.T) {
	const n = 300
	a := random(n, rand.New(rand.NewSource(3)))
	for name, solve := range solvers(t) {
		t.Run(name, func(t *testing.T) {
			values, vectors := check(t, solve, n, a, 1)
			for _, threads := range []int{1, 2, 3, 7} {
				again, vectorsAgain := check(t, solve, n, a, threads)
				if !slices.Equal(values, again) || !slices.Equal(vectors, vectorsAgain) {
					t.Errorf("%d threads give other bits than 1", threads)
				}
			}
		})
	}
}

func TestPortableKernels(t *testing.T) {
	rng := rand.New(rand.NewSource(4))
	for _, length := range []int{1, 2, 7, 8, 9, 64, 255} {
		a := list(length*tileRows, func(int) float64 { return rng.NormFloat64() })
		b := list(length*tileColumns, func(int) float64 { return rng.NormFloat64() })
		const stride = tileColumns + 3
		c := list(tileRows*stride, func(int) float64 { return rng.NormFloat64() })
		want := slices.Clone(c)
		multiplyTile(length, stride, -0.5, a, b, c)
		multiplyTileGo(length, stride, -0.5, a, b, want)
		for i := range c {
			if !(math.Abs(c[i]-want[i]) <= 1e-13*float64(length)) {
				t.Errorf("tile of length %d, element %d: %g, portable %g", length, i, c[i], want[i])
			}
		}
		rows := list(4*length+30, func(int) float64 { return rng.NormFloat64() })
		var dots, wantDots [4]float64
		dot4(length, length+10, rows, b, &dots)
		dot4Go(length, length+10, rows, b, &wantDots)
		for r := range dots {
			if !(math.Abs(dots[r]-wantDots[r]) <= 1e-13*float64(length)) {
				t.Errorf("row %d of length %d: %g, portable %g", r, length, dots[r], wantDots[r])
			}
		}
	}
}

func TestProductAgainstLoops(t *testing.T) {
	rng := rand.New(rand.NewSource(5))
	for _, size := range [][3]int{{1, 1, 1}, {4, 12, 3}, {5, 13, 300}, {70, 31, 257}, {3, 2, 0}, {0, 4, 4}, {129, 1, 5}} {
		m, n, k := size[0], size[1], size[2]
		for _, transposed := range []bool{false, true} {
			entry := func(int) float64 { return rng.NormFloat64() }
			a, b, c := rowMajor(list(m*k, entry), k), rowMajor(list(k*n, entry), n), rowMajor(list(m*n, entry), n)
			if transposed {
				a, b = matrix{a.data, 1, m}, matrix{b.data, 1, k}
			}
			want := slices.Clone(c.data)
			for i := 0; i < m; i++ {
				for j := 0; j < n; j++ {
					for p := 0; p < k; p++ {
						want[i*n+j] -= 0.5 * a.data[i*a.row+p*a.column] * b.data[p*b.row+j*b.column]
					}
				}
			}
			product(m, n, k, -0.5, a, b, c, 2)
			for i := range want {
				if !(math.Abs(c.data[i]-want[i]) <= 1e-12) {
					t.Fatalf("%v, transposed %v: element %d is %g, want %g", size, transposed, i, c.data[i], want[i])
				}
			}
		}
	}
}

func TestEntriesThatAreNotFinite(t *testing.T) {
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		for _, n := range []int{1, 3, 60} {
			a := make([]float64, n*n)
			a[n*n-1] = bad
			err := Symmetric(n, a, make([]float64, n), 1)
			if !errors.Is(err, ErrNonFinite) {
				t.Errorf("%g in a matrix of side %d: error %v", bad, n, err)
			}
		}
	}
}

func TestLeafThatCannotConverge(t *testing.T) {
	d, e := []float64{1, math.NaN(), 2}, []float64{1, 1}
	if err := implicitQL(3, d, e, make([]float64, 9), 3); !errors.Is(err, ErrNoConvergence) {
		t.Errorf("error %v", err)
	}
}

func BenchmarkSymmetric(b *testing.B) {
	rng := rand.New(rand.NewSource(6))
	for _, n := range []int{64, 160, 577, 586, 860, 1024} {
		a := random(n, rng)
		work, values := make([]float64, n*n), make([]float64, n)
		for name, solve := range solvers(b) {
			for _, threads := range []int{1, 2} {
				b.Run(fmt.Sprintf("%s/n=%d/threads=%d", name, n, threads), func(b *testing.B) {
					for i := 0; i < b.N; i++ {
						copy(work, a)
						if err := scaled(solve, n, work, values, threads); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		}
	}
}
