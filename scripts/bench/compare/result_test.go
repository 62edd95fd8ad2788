package main

import (
	"math"
	"slices"
	"testing"
)

// steps are a warm-up of two, two ordinary ones of 0.1 and 0.3 s, and a refresh of 2 s.
func steps(slower float64, backward int) passage {
	p := passage{Memory: map[string]int64{"odeforward": 10, "kfacstep": 5}}
	for i, seconds := range []float64{9, 9, 0.1, 0.3, 2} {
		p.Steps = append(p.Steps, step{Step: i, Seconds: slower * seconds, Loss: 2, NFEForward: 14, NFEBackward: backward, Refresh: i == 0 || i == 4,
			Compute: map[string]float64{"odeforward": 0.25 * seconds, "odebackward": 0.5 * seconds}})
	}
	return p
}

func TestRowsAreOfTheStepsThatCount(t *testing.T) {
	c := comparison{Ours: []passage{steps(1, 14)}, Torch: []passage{steps(2, 14)}, Period: 100, work: work{forward: 1e9, backward: 3e9}}
	c.summarise()
	if len(c.Rows) != 2 || c.Rows[0].Kind != ordinary || c.Rows[1].Kind != refresh {
		t.Fatalf("rows %+v", c.Rows)
	}
	plain, fresh := c.Rows[0], c.Rows[1]
	near(t, "ordinary ms", float64(plain.Ours), 200)
	near(t, "refresh ms, the cold one left out", float64(fresh.Ours), 2000)
	near(t, "ratio", float64(plain.Ratio.Value), 0.5)
	near(t, "odebackward", plain.Stages["odebackward"], 100)
	near(t, "waiting", plain.Waiting, 50)
	near(t, "GFLOP", float64(plain.GFLOP), 14+42)
	near(t, "GFLOP/s", float64(plain.Rate), 56/0.2)
	near(t, "ring's memory", float64(c.Memory.Ring), 15)
	if plain.Differ || len(c.Notes) != 0 {
		t.Errorf("nothing differs, but: %v", c.Notes)
	}

	adam := comparison{Ours: []passage{steps(1, 14)}}
	adam.summarise()
	c.addOverhead(&adam)
	near(t, "overhead: (99 * 200 + 2000) / 100 over 200", float64(c.Overhead), 0.09)
}

func TestWhatDiffersIsSaid(t *testing.T) {
	c := comparison{Ours: []passage{steps(1, 14)}, Torch: []passage{steps(2, 20)}, Factors: "stages"}
	c.Ours[0].Steps[0].Loss = 2.001
	c.Torch[0].Others = 0.25
	c.summarise()
	want := []string{"other programs took up to 0 % of the processors beside ours, 25 % beside PyTorch: times are disturbed", "the first losses differ", "evaluations of ordinary iterations differ", "evaluations of refresh iterations differ",
		"ours samples factors at the stages, PyTorch on a grid"}
	if !c.Disturbed || !slices.Equal(c.Notes, want) {
		t.Errorf("notes %q, expected %q", c.Notes, want)
	}
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if !(math.Abs(got-want) <= 1e-9*math.Abs(want)) {
		t.Errorf("%s: %g, expected %g", what, got, want)
	}
}
