package cpu

import (
	"crypto/sha256"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"

	"odepipe/pkg/backend"
)

// The kernels of every set that this machine has, one by one, against plain loops. The products of small whole numbers
// are exact, so these must agree to the bit.

func vectorised(t *testing.T, test func(t *testing.T, k *kernels)) {
	for _, k := range available() {
		t.Run(k.name, func(t *testing.T) { test(t, k) })
	}
}

func whole(rng *rand.Rand, n int) []float32 {
	s := make([]float32, n)
	for i := range s {
		s[i] = float32(rng.IntN(9) - 4)
	}
	return s
}

func TestTileKernelsAddTheProductsOfAllRuns(t *testing.T) {
	vectorised(t, func(t *testing.T, k *kernels) {
		rng := rand.New(rand.NewPCG(3, 4))
		for rows := 1; rows <= k.tileRows; rows++ {
			for _, runs := range [][]run{nil, {{0, 2, 1}}, {{3, 0, 4}}, {{1, 5, 7}, {20, 1, 3}}, {{0, 0, 13}, {9, 9, 2}, {5, 6, 5}}} {
				for start := fromZero; start <= fromDst; start++ {
					checkTile(t, k, rng, rows, runs, start)
				}
			}
		}
	})
}

func checkTile(t *testing.T, k *kernels, rng *rand.Rand, rows int, runs []run, start int) {
	const stride = 19
	a, b, image, dst := whole(rng, 30*rows), whole(rng, 30*lanes), whole(rng, rows), whole(rng, rows*stride)
	want := append([]float32(nil), dst...)
	for r := 0; r < rows; r++ {
		for l := 0; l < lanes; l++ {
			sum := [...]float32{fromZero: 0, fromImage: image[r], fromDst: dst[r*stride+l]}[start]
			for _, run := range runs {
				for i := 0; i < run.n; i++ {
					sum += a[(run.a+i)*rows+r] * b[(run.b+i)*lanes+l]
				}
			}
			want[r*stride+l] = sum
		}
	}
	k.tile[rows](&tileCall{dst: &dst[0], stride: stride, a: &a[0], b: &b[0],
		runs: unsafe.SliceData(runs), count: len(runs), start: start, image: &image[0]})
	for i := range want {
		if dst[i] != want[i] {
			t.Fatalf("%d rows, runs %v, start %d: element %d is %g, want %g", rows, runs, start, i, dst[i], want[i])
		}
	}
}

func TestDotKernelsAddTheProductsOfAllRuns(t *testing.T) {
	vectorised(t, func(t *testing.T, k *kernels) {
		rng := rand.New(rand.NewPCG(5, 6))
		runs := []run{{0, 0, 1}, {3, 2, 5}, {1, 7, 2}, {2, 2, 3}}
		spans := []span{{0, 1}, {1, 1}, {1, 4}, {0, 4}}
		a, b := whole(rng, 20*k.dotRows*lanes), whole(rng, 30*k.dotColumns*lanes)
		sum := whole(rng, len(spans)*k.dotRows*dotPad)
		want := append([]float32(nil), sum...)
		const stepA, stepB = 2, 3
		for t, span := range spans {
			for _, run := range runs[span.lo:span.hi] {
				for n := 0; n < run.n; n++ {
					for e := 0; e < k.dotRows*k.dotColumns*lanes; e++ {
						i, j, l := e/lanes/k.dotColumns, e/lanes%k.dotColumns, e%lanes
						x := a[((run.a+n*stepA)*k.dotRows+i)*lanes+l]
						want[(t*k.dotRows+i)*dotPad+j] += x * b[((run.b+n*stepB)*k.dotColumns+j)*lanes+l]
					}
				}
			}
		}
		k.dot(&dotCall{sum: &sum[0], a: &a[0], b: &b[0], stepA: stepA, stepB: stepB, runs: &runs[0], spans: &spans[0], count: len(spans)})
		for i := range want {
			if i%dotPad < k.dotColumns && sum[i] != want[i] {
				t.Fatalf("element %d is %g, want %g", i, sum[i], want[i])
			}
		}
	})
}

func TestTransposingKernelsTurnEightVectors(t *testing.T) {
	vectorised(t, func(t *testing.T, k *kernels) {
		rng := rand.New(rand.NewPCG(9, 10))
		for _, width := range []int{3, 6, 8, 16} {
			const stride, groups = 37, 3
			src, dst := whole(rng, 8*stride), make([]float32, 8*groups*width+8)
			k.transpose(&transposeCall{dst: &dst[0], src: &src[0], width: width, stride: stride, groups: groups})
			for i := range 8 * groups * width {
				if s, v := i/width, i%width; v < 8 && dst[i] != src[v*stride+s] {
					t.Fatalf("width %d: step %d of vector %d is %g, want %g", width, s, v, dst[i], src[v*stride+s])
				}
			}
		}
	})
}

// TestActivationsAreAccurate compares every kernel with float64 over the whole range of interest.
func TestActivationsAreAccurate(t *testing.T) {
	logisticSlope := func(x float64) float64 { return logistic(x) * logistic(-x) }
	exact := map[backend.Activation][3]func(x float64) float64{
		backend.Tanh: {math.Tanh, func(x float64) float64 { return 1 / (math.Cosh(x) * math.Cosh(x)) },
			func(x float64) float64 { return -2 * math.Tanh(x) / (math.Cosh(x) * math.Cosh(x)) }},
		backend.Sigmoid:  {logistic, logisticSlope, func(x float64) float64 { return -logisticSlope(x) * math.Tanh(x/2) }},
		backend.Softplus: {func(x float64) float64 { return math.Max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) }, logistic, logisticSlope},
		backend.ELU: {func(x float64) float64 { return math.Max(x, 0) + math.Expm1(math.Min(x, 0)) },
			func(x float64) float64 { return math.Exp(math.Min(x, 0)) },
			func(x float64) float64 {
				if x > 0 {
					return 0
				}
				return math.Exp(x)
			}},
		backend.SiLU: {func(x float64) float64 { return x * logistic(x) }, nil, nil}, // its derivatives have zeros
	}
	const count = 160000
	x, dst, ones := make([]float32, count), make([]float32, count), make([]float32, count)
	for i := range x {
		x[i], ones[i] = float32(math.Sinh(float64(i-count/2)/count*11)/3), 1 // dense near 0, up to +-40
	}
	vectorised(t, func(t *testing.T, k *kernels) {
		for a, functions := range exact {
			call := streamCall{dst: &dst[0], x: &x[0], y: &ones[0], terms: &term{x: &ones[0]}, rows: count / lanes}
			for part, kernel := range []func(*streamCall){k.activate[a], k.activateGrad[a], k.activateGrad2[a]} {
				if functions[part] == nil {
					continue
				}
				clear(dst)
				kernel(&call)
				worst, where := 0.0, float32(0)
				for i, v := range dst {
					want := functions[part](float64(x[i]))
					if ulps := math.Abs(float64(v)-want) / (math.Abs(want)*0x1p-24 + 0x1p-126); !(ulps <= worst) {
						worst, where = ulps, x[i]
					}
				}
				if !(worst <= 8) { // half units in the last place
					t.Errorf("%v, derivative %d: off by %.1f half units in the last place at %g", a, part, worst, where)
				}
			}
		}
	})
}

func logistic(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

func TestActivationsKeepNaNAndLimits(t *testing.T) {
	inf := float32(math.Inf(1))
	in := [lanes]float32{float32(math.NaN()), inf, -inf, 0, 1e-30, -1e-30, 200, -200}
	for _, k := range available() {
		for a := range backend.Activations {
			var out [lanes]float32
			k.activate[a](&streamCall{dst: &out[0], x: &in[0], rows: 1})
			if out[0] == out[0] {
				t.Errorf("%s: %s of NaN is %g", k.name, backend.Activations[a], out[0])
			}
			for i, v := range out[3:8] {
				if !(math.Abs(float64(v)) <= 200) {
					t.Errorf("%s: %s of %g is %g", k.name, backend.Activations[a], in[3+i], v)
				}
			}
		}
		var out [lanes]float32
		k.activate[backend.Tanh](&streamCall{dst: &out[0], x: &in[0], rows: 1})
		if out[1] != 1 || out[2] != -1 || out[4] != in[4] || out[5] != in[5] {
			t.Errorf("%s: tanh of %v is %v", k.name, in, out)
		}
	}
}

func TestGeneratedFilesAreOfThisGenerator(t *testing.T) {
	names, err := filepath.Glob("../../../scripts/gen-kernels/*.go")
	if err != nil || len(names) == 0 {
		t.Fatal("the generator is missing: ", err)
	}
	hash := sha256.New()
	for _, name := range names {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		hash.Write(source)
	}
	want := fmt.Sprintf("// Code generated by scripts/gen-kernels; DO NOT EDIT.\n// SHA-256 of the generator: %x\n", hash.Sum(nil))
	for _, name := range []string{"avx2_amd64.s", "avx2_amd64.go", "avx512_amd64.s", "avx512_amd64.go"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(text), want) {
			t.Errorf("%s is stale: run go run ./scripts/gen-kernels", name)
		}
	}
}
