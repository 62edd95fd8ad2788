package main

import (
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
func forwards(s step) float64     { return float64(s.NFEForward) }
func backwards(s step) float64    { return float64(s.NFEBackward) }

// summarise makes the rows, the memory and the notes of a run from its passages, of which there is at least one of ours.
func (r *comparison) summarise() {
	for _, kind := range []string{ordinary, refresh} {
		if len(slices.Concat(of(r.Ours, kind, milliseconds)...)) > 0 {
			r.Rows = append(r.Rows, r.row(kind))
		}
	}
	r.Memory.Ours = largest(r.Ours)
	for _, peak := range r.Memory.Ours {
		r.Memory.Ring += peak
	}
	r.Overhead = number(math.NaN())
	r.Losses = [2]number{number(r.Ours[0].Steps[0].Loss), number(math.NaN())}
	if len(r.Torch) == 0 {
		return
	}
	r.Memory.Torch = largest(r.Torch)["python"]
	r.Losses[1] = number(r.Torch[0].Steps[0].Loss)
	if differs(float64(r.Losses[0]), float64(r.Losses[1]), lossTolerance) {
		r.Notes = append(r.Notes, "the first losses differ")
	}
	for _, w := range r.Rows {
		if w.Differ {
			r.Notes = append(r.Notes, "evaluations of "+w.Kind+" iterations differ")
		}
	}
	if r.Factors != "" && r.Factors != "grid" {
		r.Notes = append(r.Notes, "ours samples factors at the "+r.Factors+", PyTorch on a grid")
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

func (r *comparison) row(kind string) row {
	w := row{Kind: kind, Ours: number(middle(r.Ours, kind, milliseconds)), Torch: number(math.NaN()), GFLOP: number(math.NaN()), Rate: number(math.NaN()),
		Evaluations: [2]float64{middle(r.Ours, kind, forwards), middle(r.Ours, kind, backwards)}, Stages: map[string]float64{}}
	w.Waiting = float64(w.Ours)
	for _, name := range stages {
		w.Stages[name] = middle(r.Ours, kind, func(s step) float64 { return 1e3 * s.Compute[name] })
		w.Waiting -= w.Stages[name]
	}
	if kind == ordinary {
		operations := r.work.of(w.Evaluations[0], w.Evaluations[1])
		w.GFLOP, w.Rate = number(operations/1e9), number(operations/float64(w.Ours)/1e6)
	}
	if len(r.Torch) == 0 {
		return w
	}
	ratio := compareRounds(of(r.Ours, kind, milliseconds), of(r.Torch, kind, milliseconds))
	w.Torch, w.Ratio = number(middle(r.Torch, kind, milliseconds)), &ratio
	w.Theirs = [2]float64{middle(r.Torch, kind, forwards), middle(r.Torch, kind, backwards)}
	for _, pick := range []func(step) float64{forwards, backwards} {
		ours, theirs := of(r.Ours, kind, pick), of(r.Torch, kind, pick)
		for i := range min(len(ours), len(theirs)) {
			w.Differ = w.Differ || !slices.Equal(ours[i], theirs[i])
		}
	}
	return w
}

// addOverhead compares a run with that of Adam on the same workload: its time amortised over the period of refreshes.
func (r *comparison) addOverhead(adam *comparison) {
	r.Memory.Adam = adam.Memory.Ring
	if len(r.Rows) < 2 {
		return
	}
	period := float64(r.Period)
	mean := ((period-1)*float64(r.Rows[0].Ours) + float64(r.Rows[1].Ours)) / period
	r.Overhead = number(mean/float64(adam.Rows[0].Ours) - 1)
}
