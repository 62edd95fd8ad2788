package pipeline_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

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

// peak runs a stage on the stream in a file, of one mini-batch, and returns the largest memory that it ever had, in KiB, as
// the system tells of a process that is still there: what it tells of one that has ended counts the parent's, too.
func peak(t *testing.T, dir, input string, command ...string) int64 {
	t.Helper()
	log := filepath.Join(t.TempDir(), "log")
	c := exec.Command(command[0], append(command[1:], "--threads=1", "--log="+log)...)
	c.Dir, c.Stderr = dir, os.Stderr
	stream, err := os.ReadFile(filepath.Join(dir, input))
	if err != nil {
		t.Fatal(err)
	}
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if c.Stdout, err = os.Create(filepath.Join(dir, command[0]+".arrow")); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	const endMarker = 8 // bytes, for which the stage waits when it has done its work
	if _, err := in.Write(stream[:len(stream)-endMarker]); err != nil {
		t.Fatal(err)
	}
	done := false
	for patience := time.Minute; !done && patience > 0; patience -= 10 * time.Millisecond {
		time.Sleep(10 * time.Millisecond)
		lines, err := os.ReadFile(log)
		done = err == nil && len(lines) > 0
	}
	if !done {
		c.Process.Kill()
		t.Fatalf("%s has ended, or does not get on: %v", command[0], c.Wait())
	}
	kilobytes := residentPeak(t, c.Process.Pid)
	if _, err := in.Write(stream[len(stream)-endMarker:]); err != nil {
		t.Fatal(err)
	}
	in.Close()
	if err := c.Wait(); err != nil {
		t.Fatal(err)
	}
	return kilobytes
}

// residentPeak is the largest memory of a running process so far, in KiB.
func residentPeak(t *testing.T, pid int) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Skip("there is no /proc")
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kilobytes, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kilobytes
}

// TestMemoryOfTheBackwardSolveDoesNotGrowWithItsSteps tightens the tolerance, which a solve that kept its steps could
// not bear: each would add a megabyte.
func TestMemoryOfTheBackwardSolveDoesNotGrowWithItsSteps(t *testing.T) {
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
	backward := func(tolerance float64) (kilobytes int64, nfe float64) {
		write(t, dir, "model.toml", fmt.Sprintf(wideModel, tolerance))
		run(t, dir, "kfacstep init --model=./model.toml > ck.arrow; odeforward --params=ck.arrow < batch.arrow > state.arrow")
		kilobytes = peak(t, dir, "state.arrow", "odebackward", "--params=ck.arrow", "--second-order=none")
		return kilobytes, tensorOf(t, gradientOf(t, filepath.Join(dir, "odebackward.arrow")), wire.Scalar, "nfe_backward")[0]
	}
	loose, few := backward(1e-2)
	tight, many := backward(1e-5)
	if !(many >= 4*few) {
		t.Fatalf("evaluations %g at the loose tolerance, %g at the tight one", few, many)
	}
	if float64(tight) > 1.1*float64(loose) {
		t.Errorf("peak memory %d KiB for %g evaluations, %d KiB for %g", loose, few, tight, many)
	}
	t.Logf("peak memory %d KiB for %g evaluations, %d KiB for %g", loose, few, tight, many)
}

// TestMemoryOfTheStages holds each stage of an iteration of the MNIST model, which has the largest activations, to a third or
// so more than it needs on one thread. About 11 MB of each are the program.
func TestMemoryOfTheStages(t *testing.T) {
	dir := t.TempDir()
	const rows, batch = 2048, 128
	x, y := make([]float64, rows*28*28), make([]int64, rows)
	for i := range x {
		x[i] = float64(i*7919%1000)/500 - 1
		y[i/(28*28)] = int64(i / (28 * 28) % 10)
	}
	npy(t, dir, "x.npy", []int{rows, 1, 28, 28}, x)
	npy(t, dir, "y.npy", []int{rows}, y)
	hold := func(what string, kilobytes int64, megabytes float64) {
		t.Logf("%s: %.1f MB", what, float64(kilobytes)/1024)
		if float64(kilobytes) > 1024*megabytes {
			t.Errorf("%s has had %.1f MB, more than %.0f", what, float64(kilobytes)/1024, megabytes)
		}
	}

	data := exec.Command("datagen", "--x=./x.npy", "--y=./y.npy", fmt.Sprint("--batch=", batch), "--shuffle=false")
	data.Dir, data.Stderr = dir, os.Stderr
	out, err := data.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := data.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, batch*28*28*8)); err != nil {
		t.Fatal(err)
	}
	hold("datagen, of which the data are 12.3 MB", residentPeak(t, data.Process.Pid), 32)
	out.Close()
	data.Wait() // it dies of the closed pipe

	run(t, dir, fmt.Sprintf("datagen --x ./x.npy --y ./y.npy --batch %d --shuffle=false --count=1 > batch.arrow", batch))
	for _, c := range []struct {
		optimizer                   string
		forward, backward, kfacstep float64 // MB
	}{{"adam", 60, 95, 28}, {"snopt", 60, 125, 100}} {
		run(t, dir, "kfacstep init --model=mnist --optimizer="+c.optimizer+" > ck.arrow")
		hold(c.optimizer+", odeforward", peak(t, dir, "batch.arrow", "odeforward", "--params=ck.arrow"), c.forward)
		hold(c.optimizer+", odebackward", peak(t, dir, "odeforward.arrow", "odebackward", "--params=ck.arrow"), c.backward)
		hold(c.optimizer+", kfacstep", peak(t, dir, "odebackward.arrow", "kfacstep", "--checkpoint=ck.arrow"), c.kfacstep)
	}
}
