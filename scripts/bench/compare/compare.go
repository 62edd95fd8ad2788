package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// compare runs all workloads with all optimizers; messages has a line for each.
func (b *bench) compare(ctx context.Context, o options, dir string, messages io.Writer) (*report, error) {
	r := &report{Threads: o.threads, Device: o.device, Cores: runtime.NumCPU(), CPU: processor(), Rounds: o.rounds}
	if o.python != "none" {
		versions, err := torchVersions(ctx, o.python)
		if err != nil {
			fmt.Fprintf(messages, howToGet, o.python, o.python)
		} else {
			r.Torch, b.python = versions, o.python
		}
	}
	for _, w := range o.workloads {
		own := filepath.Join(dir, w.preset.Name)
		if err := os.Mkdir(own, 0o777); err != nil {
			return nil, err
		}
		in, err := w.writeInputs(own, w.period()+1)
		if err != nil {
			return nil, err
		}
		var adam *comparison
		for _, name := range o.optimizers {
			began := time.Now()
			c, err := b.rounds(ctx, w, name, o.rounds, in, own)
			if err != nil {
				return nil, fmt.Errorf("%s with %s: %w", w.preset.Name, name, err)
			}
			if name == "adam" {
				adam = c
			} else if adam != nil {
				c.addOverhead(adam)
			}
			r.Runs = append(r.Runs, c)
			fmt.Fprintf(messages, "%s with %s: %.0f s\n", w.preset.Name, name, time.Since(began).Seconds())
		}
		if err := os.RemoveAll(own); err != nil {
			return nil, err
		}
	}
	r.Product = number(bestProduct(o.threads) / 1e9) // last: the memory it takes would be that of new processes
	return r, nil
}

// rounds runs a workload with an optimizer on both sides in turn.
func (b *bench) rounds(ctx context.Context, w *workload, optimizer string, rounds int, in inputs, dir string) (*comparison, error) {
	r, err := w.newRecipe(optimizer)
	if err != nil {
		return nil, err
	}
	c := &comparison{Workload: w.preset.Name, Optimizer: optimizer, Batch: w.preset.Batch, work: w.count(r)}
	if r.refreshes() {
		c.Period = r.settings.Freq
		c.Factors, _, _, _ = r.settings.Sampling()
	}
	checkpoint, weights := filepath.Join(dir, "checkpoint.arrow"), filepath.Join(dir, "weights.safetensors")
	total := w.total(r)
	for range rounds {
		if err := b.initial(ctx, w, r, checkpoint); err != nil {
			return nil, err
		}
		if err := b.export(ctx, checkpoint, weights); err != nil {
			return nil, err
		}
		p, err := b.ring(ctx, w, in, checkpoint, dir, total)
		if err != nil {
			return nil, err
		}
		c.Ours = append(c.Ours, p)
		if b.python == "" {
			continue
		}
		if p, err = b.torch(ctx, w, r, in, weights, dir, total); err != nil {
			return nil, err
		}
		c.Torch = append(c.Torch, p)
	}
	c.summarise()
	return c, nil
}

// processor is the name that Linux has for the processor, or the architecture.
func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for _, line := range strings.Split(string(text), "\n") {
		if name, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}
