package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// step is what one training step took, in seconds.
type step struct {
	Step        int                `json:"step"`
	Seconds     float64            `json:"seconds"`
	Loss        float64            `json:"loss"`
	NFEForward  int                `json:"nfe_forward"`
	NFEBackward int                `json:"nfe_backward"`
	Refresh     bool               `json:"refresh"`
	Compute     map[string]float64 `json:"compute,omitempty"` // of each stage of the ring
}

// passage is one run of one side.
type passage struct {
	Steps  []step           `json:"steps"`
	Memory map[string]int64 `json:"memory"`      // peak of each process, bytes
	CPU    float64          `json:"cpu_seconds"` // of all processes, their start included
	Others float64          `json:"others"`      // share of the processors that other programs took meanwhile
}

// stages are those of the ring that compute, in order.
var stages = []string{"odeforward", "odebackward", "kfacstep"}

// bench is what all runs have in common.
type bench struct {
	root    string // the checkout
	threads int
	device  string
	python  string // empty where the other side does not run
}

func (b *bench) program(name string) string { return filepath.Join(b.root, "bin", name) }

// initial writes the checkpoint of step 0.
func (b *bench) initial(ctx context.Context, w *workload, r recipe, checkpoint string) error {
	args := []string{"init", "--model=" + w.preset.Name, "--optimizer=" + r.name}
	if r.refreshes() {
		args = append(args, "--freq="+strconv.Itoa(w.period()))
	}
	return b.into(ctx, checkpoint, args...)
}

// export writes a checkpoint's parameters as safetensors.
func (b *bench) export(ctx context.Context, checkpoint, weights string) error {
	return b.into(ctx, weights, "export", "--checkpoint="+checkpoint)
}

// into runs kfacstep with its standard output in a file.
func (b *bench) into(ctx context.Context, path string, args ...string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	c := newCrew(ctx)
	c.add(nil, f, nil, b.program("kfacstep"), args...)
	return c.run()
}

// ring advances a checkpoint by so many steps with the ring of scripts/train.sh, whose pipes are anonymous here: a stage
// that dies ends them all.
//
//	datagen -> odeforward -> odebackward -> kfacstep -> tee -> the parameters of both
func (b *bench) ring(ctx context.Context, w *workload, in inputs, checkpoint, dir string, total int) (passage, error) {
	log := func(name string) string { return filepath.Join(dir, name+".jsonl") }
	for _, name := range stages {
		if err := os.RemoveAll(log(name)); err != nil {
			return passage{}, err
		}
	}
	c := newCrew(ctx)
	threads, device := "--threads="+strconv.Itoa(b.threads), "--device="+b.device
	batchOut, batchIn := c.pipe()
	stateOut, stateIn := c.pipe()
	gradientOut, gradientIn := c.pipe()
	paramsOut, paramsIn := c.pipe()
	forwardOut, forwardIn := c.pipe()
	backwardOut, backwardIn := c.pipe()
	const third = "/dev/fd/3"
	c.add(nil, batchIn, nil, b.program("datagen"), w.datagen(in, "--count="+strconv.Itoa(total), threads)...)
	c.add(batchOut, stateIn, []*os.File{forwardOut}, b.program("odeforward"), "--divergence=model", "--params="+third, "--log="+log("odeforward"), threads, device)
	c.add(stateOut, gradientIn, []*os.File{backwardOut}, b.program("odebackward"), "--params="+third, "--log="+log("odebackward"), threads, device)
	c.add(gradientOut, paramsIn, nil, b.program("kfacstep"), "--checkpoint="+checkpoint, "--every="+strconv.Itoa(total), "--log="+log("kfacstep"), threads, device)
	c.add(paramsOut, backwardIn, []*os.File{forwardIn}, "tee", third)
	p, err := c.measure()
	if err != nil {
		return p, err
	}
	return p, p.readLogs(log, total)
}

// readLogs takes the steps from the stages' logs: the whole iteration and the counts from kfacstep's, from each what it
// computed.
func (p *passage) readLogs(log func(stage string) string, total int) error {
	p.Steps = make([]step, total)
	for _, name := range stages {
		var records []struct {
			step
			Compute float64 `json:"compute"`
		}
		if err := readLines(log(name), &records); err != nil {
			return err
		}
		if len(records) != total {
			return fmt.Errorf("%s: %w: its log has %d steps, not %d", name, errProcess, len(records), total)
		}
		for i, r := range records {
			compute := p.Steps[i].Compute
			if compute == nil {
				compute = map[string]float64{}
			}
			compute[name] = r.Compute
			p.Steps[i] = r.step
			p.Steps[i].Compute = compute
		}
	}
	return nil
}

// readLines decodes a file of JSON lines.
func readLines[T any](path string, records *[]T) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var r T
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return fmt.Errorf("%s: line %d: %w", path, len(*records)+1, err)
		}
		*records = append(*records, r)
	}
	return lines.Err()
}
