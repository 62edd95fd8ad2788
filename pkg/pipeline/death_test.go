package pipeline_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// ring is a running train.sh.
type ring struct {
	t       testing.TB
	command *exec.Cmd
	run     string // its RUNDIR
	tmp     string // its folder of temporary files
	stderr  bytes.Buffer
}

// steps is how long the runs of this file are; they are ended long before.
const steps = 600

func settings(folder string) string {
	return fmt.Sprintf("%s spirals '%s' --batch=16 --seed=2 --freq=50 --every=10 --steps=%d", script("models/spirals.toml"), folder, steps)
}

// start begins a run of 'steps' steps in a folder, and waits until some have been done.
func start(t testing.TB, folder string) *ring {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("finds the stages in /proc")
	}
	r := &ring{t: t, run: folder, tmp: t.TempDir()}
	r.command = exec.Command("bash", "-c", "exec "+script("train.sh")+" "+settings(folder))
	r.command.Env = append(os.Environ(), "TMPDIR="+r.tmp)
	r.command.Stderr = &r.stderr
	if err := r.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, pid := range append(r.stages(), r.command.Process.Pid) {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	r.until("50 steps are done", func() bool {
		log, _ := os.ReadFile(filepath.Join(folder, "log.jsonl"))
		return bytes.Count(log, []byte("\n")) >= 50
	})
	return r
}

// until polls, since neither a file nor a process tells.
func (r *ring) until(what string, done func() bool) {
	r.t.Helper()
	for begin := time.Now(); !done(); time.Sleep(time.Millisecond) {
		if time.Since(begin) > 20*time.Second {
			r.t.Fatalf("it took too long until %s\n%s", what, r.stderr.String())
		}
	}
}

// stages are the processes of the ring, all of which hold a FIFO of it or the folder of the run open. Without names
// all are meant, else those whose program has one of the names.
func (r *ring) stages(names ...string) []int {
	var pids []int
	open, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, fd := range open {
		target, err := os.Readlink(fd)
		if err != nil || target != r.run && !strings.HasPrefix(target, r.tmp) {
			continue
		}
		var pid int
		fmt.Sscanf(fd, "/proc/%d/", &pid)
		name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		if len(names) > 0 && strings.TrimSpace(string(name)) != names[0] || pid == os.Getpid() {
			continue
		}
		if len(pids) == 0 || pids[len(pids)-1] != pid {
			pids = append(pids, pid)
		}
	}
	return pids
}

// ended waits for train.sh, and fails if it left a process, a FIFO or no readable checkpoint. It returns the status.
func (r *ring) ended() int {
	r.t.Helper()
	done := make(chan struct{})
	go func() { r.command.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		r.t.Fatalf("train.sh did not end\n%s", r.stderr.String())
	}
	if pids := r.stages(); len(pids) > 0 {
		r.t.Errorf("processes left: %v", pids)
	}
	for _, folder := range []string{r.tmp, r.run} {
		files, _ := os.ReadDir(folder)
		for _, f := range files {
			if folder == r.tmp || strings.HasPrefix(f.Name(), ".") {
				r.t.Errorf("left behind: %s", f.Name())
			}
		}
	}
	run(r.t, r.run, "kfacstep show --checkpoint=checkpoint.arrow")
	return r.command.ProcessState.ExitCode()
}

// resume finishes the run, which must then be as the whole one.
func (r *ring) resume(whole string) {
	r.t.Helper()
	run(r.t, r.run, script("train.sh")+" "+settings(r.run))
	logged(r.t, r.run, steps)
	sameFile(r.t, "resumed", filepath.Join(r.run, "checkpoint.arrow"), filepath.Join(whole, "checkpoint.arrow"))
}

// TestInterruptedRunsResume ends runs in the middle in every way, and holds what is resumed to a run left in peace.
func TestInterruptedRunsResume(t *testing.T) {
	whole := t.TempDir()
	run(t, whole, script("train.sh")+" "+settings(whole))
	logged(t, whole, steps)
	for signal, status := range map[syscall.Signal]int{syscall.SIGTERM: 143, syscall.SIGINT: 130, syscall.SIGHUP: 129} {
		t.Run("train.sh gets "+signal.String(), func(t *testing.T) {
			r := start(t, t.TempDir())
			r.command.Process.Signal(signal)
			if got := r.ended(); got != status || r.stderr.Len() > 0 {
				t.Errorf("exit status %d, expected %d\n%s", got, status, r.stderr.String())
			}
			log, _ := os.ReadFile(filepath.Join(r.run, "log.jsonl"))
			facts := run(t, r.run, "kfacstep show --checkpoint=checkpoint.arrow")
			if done := bytes.Count(log, []byte("\n")); done >= steps || !strings.Contains(facts, fmt.Sprintf(`"step":%d,`, done)) {
				t.Errorf("%d steps are logged, but the checkpoint is %s", done, facts)
			}
			r.resume(whole)
		})
	}
	for _, stage := range []string{"datagen", "odeforward", "odebackward", "kfacstep", "tee"} {
		t.Run(stage+" is killed", func(t *testing.T) {
			r := start(t, t.TempDir())
			pids := r.stages(stage)
			if len(pids) != 1 {
				t.Fatalf("processes %v", pids)
			}
			syscall.Kill(pids[0], syscall.SIGKILL)
			want := "train.sh: " + stage + " was killed by SIGKILL\n"
			if got := r.ended(); got != 137 || r.stderr.String() != want {
				t.Errorf("exit status %d\n%s", got, r.stderr.String())
			}
			r.resume(whole)
		})
	}
}

// TestARunInUseIsRefused starts a run twice.
func TestARunInUseIsRefused(t *testing.T) {
	if _, err := exec.LookPath("flock"); err != nil {
		t.Skip("there is no flock")
	}
	r := start(t, t.TempDir())
	_, errs, status := shell(t, r.run, script("train.sh")+" "+settings(r.run))
	if want := "train.sh: " + r.run + " is in use by another train.sh\n"; status != 1 || errs != want {
		t.Errorf("exit status %d\n%s", status, errs)
	}
	r.command.Process.Signal(syscall.SIGTERM)
	r.ended()
}
