package pipeline_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"odepipe/pkg/wire"
)

// wideModel has states of a megabyte in a mini-batch of 64.
const wideModel = `
name = "wide"
input = [4, 32, 32]
loss = "cross_entropy"

[[block]]
type = "ode"
name = "ode"
t1 = 4.0
solver = { method = "dopri5", rtol = %[1]g, atol = %[1]g }
field = [
  { type = "conv2d", name = "conv1", in = 4, out = 4, kernel = 3, padding = 1, time = "concat" },
  { type = "relu" },
  { type = "conv2d", name = "conv2", in = 4, out = 4, kernel = 3, padding = 1, time = "concat" },
]

[[block]]
type = "flatten"

[[block]]
type = "linear"
name = "head"
in = 4096
out = 3
`

// TestMemoryOfTheBackwardSolveDoesNotGrowWithItsSteps tightens the tolerance, which a solve that kept its steps could
// not bear: each would add a megabyte.
func TestMemoryOfTheBackwardSolveDoesNotGrowWithItsSteps(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads kilobytes from getrusage")
	}
	dir := t.TempDir()
	const rows = 64
	x, y := make([]float64, rows*4096), make([]int64, rows)
	for i := range x {
		x[i] = float64(i*7919%1000)/500 - 1
		y[i/4096] = int64(i / 4096 % 3)
	}
	npy(t, dir, "x.npy", []int{rows, 4, 32, 32}, x)
	npy(t, dir, "y.npy", []int{rows}, y)
	run(t, dir, fmt.Sprintf("datagen --x ./x.npy --y ./y.npy --batch %d > batch.arrow", rows))
	peak := func(tolerance float64) (kilobytes int64, nfe float64) {
		write(t, dir, "model.toml", fmt.Sprintf(wideModel, tolerance))
		run(t, dir, "kfacstep init --model=./model.toml > ck.arrow; odeforward --params=ck.arrow < batch.arrow > state.arrow")
		c := exec.Command("odebackward", "--params=ck.arrow", "--second-order=none", "--threads=1")
		c.Dir, c.Stderr = dir, os.Stderr
		var err error
		if c.Stdin, err = os.Open(filepath.Join(dir, "state.arrow")); err != nil {
			t.Fatal(err)
		}
		if c.Stdout, err = os.Create(filepath.Join(dir, "gradient.arrow")); err != nil {
			t.Fatal(err)
		}
		if err := c.Run(); err != nil {
			t.Fatal(err)
		}
		set := gradientOf(t, filepath.Join(dir, "gradient.arrow"))
		return c.ProcessState.SysUsage().(*syscall.Rusage).Maxrss, tensorOf(t, set, wire.Scalar, "nfe_backward")[0]
	}
	loose, few := peak(1e-2)
	tight, many := peak(1e-5)
	if !(many >= 4*few) {
		t.Fatalf("evaluations %g at the loose tolerance, %g at the tight one", few, many)
	}
	if float64(tight) > 1.1*float64(loose) {
		t.Errorf("peak memory %d KiB for %g evaluations, %d KiB for %g", loose, few, tight, many)
	}
	t.Logf("peak memory %d KiB for %g evaluations, %d KiB for %g", loose, few, tight, many)
}
