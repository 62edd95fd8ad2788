package pipeline_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// long says whether tests take hours' worth of cases: ODEPIPE_LONG=1.
func long() bool { return os.Getenv("ODEPIPE_LONG") == "1" }

// TestRunsSurviveSignalsAtRandomMoments strikes runs of train.sh again and again, each time a stage or the script, by a
// signal, at a moment, all three drawn at random, and resumes them each time. Whatever happens, the checkpoint and the log
// of a run that was brought to its end so are those of a run in peace.
func TestRunsSurviveSignalsAtRandomMoments(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("finds the stages in /proc")
	}
	blows := 20
	if long() {
		blows = 400
	}
	whole := t.TempDir()
	begin := time.Now()
	run(t, whole, script("train.sh")+" "+settings(whole))
	span := time.Since(begin)
	rng := rand.New(rand.NewPCG(7, uint64(blows)))
	dealt := map[string]int{}
	for runs := 0; blows > 0; runs++ {
		folder := filepath.Join(t.TempDir(), "run")
		for ended := false; !ended; {
			s := strike(t, folder, time.Duration(rng.Int64N(int64(span))), rng)
			ended = s.status == 0
			if !ended || s.dealt != "" {
				blows--
				dealt[s.dealt]++
			}
			if blows <= 0 && !ended { // the rest in peace
				run(t, filepath.Dir(folder), script("train.sh")+" "+settings(folder))
				ended = true
			}
		}
		sameFile(t, fmt.Sprintf("run %d", runs), filepath.Join(folder, "checkpoint.arrow"), filepath.Join(whole, "checkpoint.arrow"))
		logged(t, folder, steps)
		if files, _ := filepath.Glob(filepath.Join(folder, ".*")); len(files) > 0 {
			t.Errorf("left behind: %v", files)
		}
		if t.Failed() {
			break
		}
	}
	t.Logf("blows by whom and what: %v", dealt)
}

// blow is what was done to a run, if it did not end before, and how the run ended.
type blow struct {
	dealt  string
	status int
}

// strike starts or resumes a run, and after a while sends a signal to one of its processes. It waits for its end.
func strike(t *testing.T, folder string, after time.Duration, rng *rand.Rand) blow {
	t.Helper()
	signals := []syscall.Signal{syscall.SIGKILL, syscall.SIGKILL, syscall.SIGTERM, syscall.SIGINT, syscall.SIGSTOP}
	signal := signals[rng.IntN(len(signals))]
	names := []string{"datagen", "odeforward", "odebackward", "kfacstep", "tee", "train.sh"}
	name := names[rng.IntN(len(names))]
	pause := time.Duration(rng.IntN(200)) * time.Millisecond
	if name == "train.sh" && signal == syscall.SIGKILL {
		signal = syscall.SIGTERM // nobody is left to tell its stages, which bring the run to its end
	}
	r := &ring{t: t, run: folder, tmp: t.TempDir()}
	r.command = exec.Command("bash", "-c", "exec "+script("train.sh")+" "+settings(folder))
	r.command.Env = append(os.Environ(), "TMPDIR="+r.tmp)
	r.command.Stderr = &r.stderr
	if err := r.command.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { r.command.Wait(); close(done) }()
	var b blow
	select {
	case <-done:
	case <-time.After(after):
		pids := []int{r.command.Process.Pid}
		if name != "train.sh" {
			pids = r.stages(name)
		}
		for _, pid := range pids {
			if syscall.Kill(pid, signal) == nil {
				b.dealt = name + " " + signal.String()
			}
			if signal == syscall.SIGSTOP {
				time.Sleep(pause)
				syscall.Kill(pid, syscall.SIGCONT)
			}
		}
	}
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		for _, pid := range append(r.stages(), r.command.Process.Pid) {
			syscall.Kill(pid, syscall.SIGKILL)
		}
		t.Fatalf("after %s: the run does not end\n%s", b.dealt, r.stderr.String())
	}
	b.status = r.command.ProcessState.ExitCode()
	r.until("no process is left after "+b.dealt, func() bool { return len(r.stages()) == 0 })
	if strings.HasPrefix(b.dealt, "train.sh ") && b.status == -1 {
		return b // it died of the signal itself, before there was anything to be saved
	}
	if b.status != 0 && !slices.Contains([]int{1, 130, 137, 143}, b.status) || bytes.Contains(r.stderr.Bytes(), []byte("internal error")) {
		t.Fatalf("after %s: exit status %d\n%s", b.dealt, b.status, r.stderr.String())
	}
	if b.status != 0 && b.dealt == "" {
		t.Fatalf("untouched: exit status %d\n%s", b.status, r.stderr.String())
	}
	if strings.Contains(b.dealt, "stop") && b.status != 0 {
		t.Fatalf("after %s: exit status %d\n%s", b.dealt, b.status, r.stderr.String())
	}
	return b
}
