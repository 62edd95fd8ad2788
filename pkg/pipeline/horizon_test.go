package pipeline_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"odepipe/pkg/wire"
)

// endTimes are the t1 in a run's log, a line each; 0 where there is none.
func endTimes(t *testing.T, run string) []float64 {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(run, "log.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var times []float64
	for _, line := range strings.Split(strings.TrimSpace(string(content)), "\n") {
		var record struct{ T1 map[string]float64 }
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatal(err)
		}
		times = append(times, record.T1["ode"])
	}
	return times
}

// TestMovingEndTimes trains with a t1 that changes, by the ring in two parts and by separate processes: the checkpoints
// must agree to the byte, and the log must tell what t1 did.
func TestMovingEndTimes(t *testing.T) {
	cases := map[string]struct {
		settings string
		moved    func(t1 []float64) bool
	}{
		"feedback": {"--horizon=feedback --horizon-freq=5 --horizon-lr=0.02", func(t1 []float64) bool {
			return t1[4] == 1 && t1[5] != 1 && t1[9] == t1[5] && t1[10] != t1[9] && t1[11] > 0.1
		}},
		"baseline": {"--horizon=baseline --horizon-freq=3 --horizon-cost=0.1 --optimizer=adam", func(t1 []float64) bool {
			return t1[2] == 1 && t1[3] != 1 && t1[11] > 0.1
		}},
		"steer, by newton": {"--steer=0.25 --steer-seed=7 --optimizer=newton --freq=3 --vectors=2", func(t1 []float64) bool {
			for i, v := range t1 {
				if !(v >= 0.75 && v <= 1.25) || i > 0 && v == t1[i-1] {
					return false
				}
			}
			return true
		}},
		"fixed": {"", func(t1 []float64) bool { return t1[0] == 0 && t1[11] == 0 }},
		"much at once": {"--damping=adaptive --preconditioner=kfac --factor-freq=2 --factor-decay=0.9 --freq=4 --freq-growth=1.5 --kl-clip=0.01 --clip-norm=1 --horizon=feedback --horizon-freq=2",
			func(t1 []float64) bool { return t1[11] != 1 }},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			dir, spirals := t.TempDir(), script("models/spirals.toml")
			for _, steps := range []int{5, 12} {
				run(t, dir, fmt.Sprintf("%s %s spirals ring --batch=32 %s --steps=%d", script("train.sh"), spirals, c.settings, steps))
			}
			run(t, dir, fmt.Sprintf(`kfacstep init --model=%s %s > ck.arrow
				for ((k = 0; k < 12; k++)); do %s ck.arrow spirals $k --batch=32; done`, spirals, c.settings, script("iterate.sh")))
			sameFile(t, "separate processes", filepath.Join(dir, "ck.arrow"), filepath.Join(dir, "ring/checkpoint.arrow"))
			logged(t, filepath.Join(dir, "ring"), 12)
			t1 := endTimes(t, filepath.Join(dir, "ring"))
			if !c.moved(t1) {
				t.Errorf("t1 by step: %v", t1)
			}
			file, err := wire.ReadCheckpoint(filepath.Join(dir, "ck.arrow"), wire.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if v, ok := file.Scalar("ode.t1"); !ok || name != "fixed" && v == 1 {
				t.Errorf("the checkpoint's t1 is %g", v)
			}
		})
	}
}
