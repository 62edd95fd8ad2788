package main

import (
	"fmt"
	"math"
	"slices"
)

// lossTolerance is by how much the first losses of both sides may differ, relatively.
const lossTolerance = 1e-4

// comparison is a workload with an optimizer: what both sides did, round by round.
type comparison struct {
	Workload  string    `json:"workload"`
	Optimizer string    `json:"optimizer"`
	Batch     int       `json:"batch"`
	Period    int64     `json:"period"`  // of the preset's refreshes; 0 for none
	Factors   string    `json:"factors"` // where ours sampled them, empty for none; PyTorch does on a grid
	Ours      []passage `json:"ours"`
	Torch     []passage `json:"torch,omitempty"`
	Rows      []row     `json:"rows"`
	Memory    memory    `json:"memory"`
	Losses    [2]number `json:"first_losses"`
	Overhead  number    `json:"overhead_over_adam"` // amortised over the period, a share; null where it is not known
	Disturbed bool      `json:"disturbed"`          // by other programs
	Notes     []string  `json:"notes"`

	work work
}

// row is what one kind of iteration took: medians over the steps of that kind that count, in all rounds.
type row struct {
	Kind        string             `json:"kind"` // ordinary, refresh
	Ours        number             `json:"ours_ms"`
	Torch       number             `json:"torch_ms"`
	Ratio       *ratio             `json:"ratio,omitempty"`
	Evaluations [2]float64         `json:"evaluations"` // forward, backward
	Theirs      [2]float64         `json:"torch_evaluations"`
	Differ      bool               `json:"evaluations_differ"` // in any step
	Stages      map[string]float64 `json:"stages_ms"`          // computing of each
	Waiting     float64            `json:"waiting_ms"`         // pipes, encoding, waiting: the rest
	GFLOP       number             `json:"gflop"`              // of an ordinary iteration
	Rate        number             `json:"gflops"`
}

// memory is the peak of each process in bytes, the largest of all rounds.
type memory struct {
	Ours  map[string]int64 `json:"ours"`
	Ring  int64            `json:"ring"` // their sum
	Torch int64            `json:"torch"`
	Adam  int64            `json:"adam"` // the ring of Adam with the same workload, 0 if that did not run
}

// The kinds of iterations.
const (
	ordinary = "ordinary"
	refresh  = "refresh"
)

// of picks a number from the steps of a kind that count, round by round.
func of(rounds []passage, kind string, pick func(step) float64) [][]float64 {
	var all [][]float64
	for _, p := range rounds {
		var values []float64
		for _, s := range p.Steps {
			if s.Step >= warmUp && s.Refresh == (kind == refresh) {
				values = append(values, pick(s))
			}
		}
		all = append(all, values)
	}
	return all
}

func middle(rounds []passage, kind string, pick func(step) float64) float64 {
	return median(slices.Concat(of(rounds, kind, pick)...))
}

func milliseconds(s step) float64 { return 1e3 * s.Seconds }
func waiting(s step) float64 {
	rest := s.Seconds
	for _, compute := range s.Compute {
		rest -= compute
	}
	return 1e3 * rest
}

func forwards(s step) float64  { return float64(s.NFEForward) }
func backwards(s step) float64 { return float64(s.NFEBackward) }

// summarise makes the rows, the memory and the notes of a run from its passages, of which there is at least one of ours.
func (c *comparison) summarise() {
	for _, kind := range []string{ordinary, refresh} {
		if len(slices.Concat(of(c.Ours, kind, milliseconds)...)) > 0 {
			c.Rows = append(c.Rows, c.row(kind))
		}
	}
	c.Memory.Ours = largest(c.Ours)
	for _, peak := range c.Memory.Ours {
		c.Memory.Ring += peak
	}
	c.Overhead = number(math.NaN())
	c.Losses = [2]number{number(c.Ours[0].Steps[0].Loss), number(math.NaN())}
	c.noteOthers()
	if len(c.Torch) == 0 {
		return
	}
	c.Memory.Torch = largest(c.Torch)["python"]
	c.Losses[1] = number(c.Torch[0].Steps[0].Loss)
	if differs(float64(c.Losses[0]), float64(c.Losses[1]), lossTolerance) {
		c.Notes = append(c.Notes, "the first losses differ")
	}
	for _, w := range c.Rows {
		if w.Differ {
			c.Notes = append(c.Notes, "evaluations of "+w.Kind+" iterations differ")
		}
	}
	if c.Factors != "" && c.Factors != "grid" {
		c.Notes = append(c.Notes, "ours samples factors at the "+c.Factors+", PyTorch on a grid")
	}
}

// noteOthers says when the machine had other work: threads that wait for one another suffer from it more than in proportion.
func (c *comparison) noteOthers() {
	share := [2]float64{}
	for side, rounds := range [][]passage{c.Ours, c.Torch} {
		for _, p := range rounds {
			share[side] = max(share[side], p.Others)
		}
	}
	if c.Disturbed = max(share[0], share[1]) > busyShare; c.Disturbed {
		c.Notes = append(c.Notes, fmt.Sprintf("other programs took up to %.0f %% of the processors beside ours, %.0f %% beside PyTorch: times are disturbed", 100*share[0], 100*share[1]))
	}
}

// largest is the highest peak of each process over the rounds.
func largest(rounds []passage) map[string]int64 {
	peaks := map[string]int64{}
	for _, p := range rounds {
		for name, peak := range p.Memory {
			peaks[name] = max(peaks[name], peak)
		}
	}
	return peaks
}

func (c *comparison) row(kind string) row {
	w := row{Kind: kind, Ours: number(middle(c.Ours, kind, milliseconds)), Torch: number(math.NaN()), GFLOP: number(math.NaN()), Rate: number(math.NaN()),
		Evaluations: [2]float64{middle(c.Ours, kind, forwards), middle(c.Ours, kind, backwards)}, Stages: map[string]float64{}}
	for _, name := range stages {
		w.Stages[name] = middle(c.Ours, kind, func(s step) float64 { return 1e3 * s.Compute[name] })
	}
	w.Waiting = middle(c.Ours, kind, waiting)
	if kind == ordinary {
		operations := c.work.of(w.Evaluations[0], w.Evaluations[1])
		w.GFLOP, w.Rate = number(operations/1e9), number(operations/float64(w.Ours)/1e6)
	}
	if len(c.Torch) == 0 {
		return w
	}
	ratio := compareRounds(of(c.Ours, kind, milliseconds), of(c.Torch, kind, milliseconds))
	w.Torch, w.Ratio = number(middle(c.Torch, kind, milliseconds)), &ratio
	w.Theirs = [2]float64{middle(c.Torch, kind, forwards), middle(c.Torch, kind, backwards)}
	for _, pick := range []func(step) float64{forwards, backwards} {
		ours, theirs := of(c.Ours, kind, pick), of(c.Torch, kind, pick)
		for i := range min(len(ours), len(theirs)) {
			w.Differ = w.Differ || !slices.Equal(ours[i], theirs[i])
		}
	}
	return w
}

// addOverhead compares a run with that of Adam on the same workload: its time amortised over the period of refreshes.
func (c *comparison) addOverhead(adam *comparison) {
	c.Memory.Adam = adam.Memory.Ring
	if len(c.Rows) < 2 {
		return
	}
	period := float64(c.Period)
	mean := ((period-1)*float64(c.Rows[0].Ours) + float64(c.Rows[1].Ours)) / period
	c.Overhead = number(mean/float64(adam.Rows[0].Ours) - 1)
}
