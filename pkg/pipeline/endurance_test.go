package pipeline_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestALongRunNeedsNoMoreThanAShortOne watches every stage of a run of many steps: after the first fifth neither resident
// memory nor the number of open files grows. Its log is rotated meanwhile.
func TestALongRunNeedsNoMoreThanAShortOne(t *testing.T) {
	if runtime.GOOS != "linux" || !long() {
		t.Skip("takes minutes; ODEPIPE_LONG=1 runs it")
	}
	const iterations = 20000
	r := &ring{t: t, run: t.TempDir(), tmp: t.TempDir()}
	r.command = exec.Command("bash", "-c", fmt.Sprintf("exec %s %s spirals '%s' --batch=16 --freq=100 --steps=%d", script("train.sh"), script("models/spirals.toml"), r.run, iterations))
	r.command.Env = append(os.Environ(), "TMPDIR="+r.tmp)
	r.command.Stderr = &r.stderr
	if err := r.command.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { r.command.Wait(); close(done) }()
	log := filepath.Join(r.run, "log.jsonl")
	early, late := map[string]usage{}, map[string]usage{}
	logs := 0
	for running := true; running; {
		select {
		case <-done:
			running = false
		case <-time.After(time.Second):
			if info, err := os.Stat(log); err == nil && info.Size() > 1<<19 {
				if err := os.Rename(log, fmt.Sprintf("%s.%d", log, logs)); err != nil {
					t.Error(err)
				}
				logs++
			}
			part := late
			if n := stepsLogged(r.run); n < iterations/5 {
				part = early
			}
			for _, name := range []string{"datagen", "odeforward", "odebackward", "kfacstep"} {
				for _, pid := range r.stages(name) {
					part[name] = part[name].most(usageOf(pid))
				}
			}
		}
	}
	if r.command.ProcessState.ExitCode() != 0 {
		t.Fatal(r.stderr.String())
	}
	if n := stepsLogged(r.run); n != iterations || logs < 2 {
		t.Errorf("%d steps in %d rotated logs", n, logs)
	}
	for name, first := range early {
		last := late[name]
		t.Logf("%s: %d MiB then %d MiB, %d files then %d", name, first.resident>>10, last.resident>>10, first.files, last.files)
		if last.resident > first.resident*11/10+4<<10 || last.files > first.files {
			t.Errorf("%s grows", name)
		}
	}
	if len(early) != 4 {
		t.Errorf("seen: %v", early)
	}
}

// usage is what a process has: KiB in memory, and open files.
type usage struct{ resident, files int }

func (u usage) most(v usage) usage { return usage{max(u.resident, v.resident), max(u.files, v.files)} }

// usageOf a process that may be gone.
func usageOf(pid int) usage {
	var u usage
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for _, line := range strings.Split(string(status), "\n") {
		if words := strings.Fields(line); len(words) > 1 && words[0] == "VmRSS:" {
			u.resident, _ = strconv.Atoi(words[1])
		}
	}
	files, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	u.files = len(files)
	return u
}

// stepsLogged counts the steps in the log of a run and in what it was rotated to.
func stepsLogged(run string) int {
	n := 0
	paths, _ := filepath.Glob(filepath.Join(run, "log.jsonl*"))
	for _, path := range paths {
		content, _ := os.ReadFile(path)
		n += strings.Count(string(content), "\n")
	}
	return n
}
