package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// howToGet is said where PyTorch is missing.
const howToGet = "PyTorch's half does not run: %s cannot import torch and torchdiffeq. Get them with\n\n    %s -m pip install torch torchdiffeq\n\nor name another interpreter with --python.\n"

// torchVersions are those of PyTorch and torchdiffeq; an error if one is missing.
func torchVersions(ctx context.Context, python string) (string, error) {
	out, err := exec.CommandContext(ctx, python, "-c", "import torch, torchdiffeq; print('PyTorch', torch.__version__, 'torchdiffeq', torchdiffeq.__version__)").Output()
	return strings.TrimSpace(string(out)), err
}

// job is what scripts/bench/torch/train.py is told.
type job struct {
	Model     map[string]any `json:"model"`
	Weights   string         `json:"weights"`
	X         string         `json:"x"`
	Y         string         `json:"y,omitempty"`
	Probes    string         `json:"probes,omitempty"`
	Batch     int            `json:"batch"`
	Steps     int            `json:"steps"`
	Threads   int            `json:"threads"`
	Device    string         `json:"device"`
	Optimizer torchOptimizer `json:"optimizer"`
}

// torchOptimizer is a recipe in train.py's words.
type torchOptimizer struct {
	Name        string       `json:"name"`
	LR          float64      `json:"lr"`
	Momentum    float64      `json:"momentum"`
	WeightDecay float64      `json:"weight_decay"`
	Eps         float64      `json:"eps"`
	Alpha       float64      `json:"alpha"`
	Freq        int          `json:"freq"`
	Spacing     float64      `json:"spacing"` // of the grid of the factors
	Others      *torchOthers `json:"others,omitempty"`
}

// torchOthers are the parameters that have Adam, and its rate.
type torchOthers struct {
	Pattern string  `json:"pattern"`
	LR      float64 `json:"lr"`
}

// paperAlpha is EKFAC's share of the curvature that a step keeps, and kfacstep's default.
const paperAlpha = 0.75

// forTorch translates a recipe.
func (w *workload) forTorch(r recipe) torchOptimizer {
	s := r.settings
	_, spacing, _, _ := s.Sampling()
	o := torchOptimizer{Name: s.Main.Optimizer, LR: s.Main.LR, Momentum: s.Main.Momentum, WeightDecay: s.Main.WeightDecay,
		Eps: s.Main.Eps, Alpha: paperAlpha, Freq: w.period(), Spacing: spacing}
	for _, g := range s.Groups {
		o.Others = &torchOthers{Pattern: g.Pattern}
		for _, own := range g.Overrides {
			if own.Name == "lr" {
				o.Others.LR, _ = strconv.ParseFloat(own.Value, 64) // optim has checked it
			}
		}
	}
	return o
}

// torch trains with PyTorch, from the same weights on the same mini-batches.
func (b *bench) torch(ctx context.Context, w *workload, r recipe, in inputs, weights, dir string, total int) (passage, error) {
	j := job{Weights: weights, X: in.X, Y: in.Y, Probes: in.Probes, Batch: w.preset.Batch, Steps: total, Threads: b.threads, Device: b.device, Optimizer: w.forTorch(r)}
	if err := toml.Unmarshal([]byte(w.preset.Text()), &j.Model); err != nil {
		return passage{}, err
	}
	text, err := json.Marshal(j)
	if err != nil {
		return passage{}, err
	}
	jobPath, outPath := filepath.Join(dir, "job.json"), filepath.Join(dir, "torch.jsonl")
	if err := os.WriteFile(jobPath, text, 0o666); err != nil {
		return passage{}, err
	}
	out, err := os.Create(outPath)
	if err != nil {
		return passage{}, err
	}
	c := newCrew(ctx)
	c.add(nil, out, nil, b.python, filepath.Join(b.root, "scripts/bench/torch/train.py"), jobPath)
	c.members[0].name = "python"
	c.members[0].cmd.Env = append(os.Environ(), fmt.Sprintf("OMP_NUM_THREADS=%d", b.threads), "PYTHONDONTWRITEBYTECODE=1")
	p, err := c.measure()
	if err != nil {
		return p, err
	}
	if err := readLines(outPath, &p.Steps); err != nil {
		return p, err
	}
	if len(p.Steps) != total {
		return p, fmt.Errorf("%s: %w: it made %d steps, not %d", b.python, errProcess, len(p.Steps), total)
	}
	return p, nil
}
