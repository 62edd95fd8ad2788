package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"text/tabwriter"
	"time"
)

// startTarget is how long a program should take to start at most, in seconds, and starts how often it is tried.
const (
	startTarget = 10e-3
	starts      = 15
)

// oneStage is what one process of an iteration spent its time on, in seconds.
type oneStage struct {
	Start   float64 // until the program runs: that of --version
	Load    float64 // reading its input, parameters and checkpoint
	Compute float64
	Save    float64 // writing, and the end
}

func (s oneStage) total() float64 { return s.Start + s.Load + s.Compute + s.Save }

// oneshot prints how long the programs take to start, and for every workload and optimizer a refresh and an ordinary
// iteration by scripts/iterate.sh, whose stages are separate processes and plain files, beside those of the ring.
func (b *bench) oneshot(ctx context.Context, o options, dir string, out io.Writer) error {
	start := map[string]float64{}
	for _, name := range append([]string{"datagen", "evalmodel"}, stages...) {
		var err error
		if start[name], err = b.startTime(ctx, name); err != nil {
			return err
		}
		late := ""
		if start[name] > startTarget {
			late = ", above the target"
		}
		fmt.Fprintf(out, "%s starts in %.1f ms%s\n", name, 1e3*start[name], late)
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\nms\toptimizer\titeration\tprocess\tstart\tload\tcompute\tsave\ttotal\titerate.sh\tring\t")
	for _, w := range o.workloads {
		for _, optimizer := range o.optimizers {
			if err := b.oneshotOf(ctx, w, optimizer, start, dir, table); err != nil {
				return fmt.Errorf("%s with %s: %w", w.preset.Name, optimizer, err)
			}
		}
	}
	return table.Flush()
}

// startTime is the median time of --version in seconds.
func (b *bench) startTime(ctx context.Context, name string) (float64, error) {
	var seconds []float64
	for range starts {
		c := newCrew(ctx)
		c.add(nil, nil, nil, b.program(name), "--version")
		began := time.Now()
		if err := c.run(); err != nil {
			return 0, err
		}
		seconds = append(seconds, time.Since(began).Seconds())
	}
	return median(seconds), nil
}

// oneshotOf writes the lines of a workload with an optimizer: of step 0, and of step 1 where step 0 is a refresh.
func (b *bench) oneshotOf(ctx context.Context, w *workload, optimizer string, start map[string]float64, dir string, out io.Writer) error {
	r, err := w.newRecipe(optimizer)
	if err != nil {
		return err
	}
	in, err := w.writeInputs(dir, w.period()+1)
	if err != nil {
		return err
	}
	path := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"ring", "single", "script"} {
		if err := b.initial(ctx, w, r, path(name)); err != nil {
			return err
		}
	}
	ring, err := b.ring(ctx, w, in, path("ring"), dir, w.total(r))
	if err != nil {
		return err
	}
	steps := 1
	if r.refreshes() {
		steps = 2
	}
	for k := range steps {
		script, err := b.iterate(ctx, w, in, path("script"), k)
		if err != nil {
			return err
		}
		kind := ordinary
		if ring.Steps[k].Refresh {
			kind = refresh
		}
		inRing := middle([]passage{ring}, kind, milliseconds)
		for i, name := range append([]string{"datagen"}, stages...) {
			s, err := b.single(ctx, w, in, name, dir, k, start[name])
			if err != nil {
				return err
			}
			fmt.Fprintf(out, "%s\t%s\t%s\t%s\t", w.preset.Name, optimizer, kind, name)
			for _, part := range []float64{s.Start, s.Load, s.Compute, s.Save, s.total()} {
				fmt.Fprintf(out, "%.1f\t", 1e3*part)
			}
			if i == 0 {
				fmt.Fprintf(out, "%.1f\t%s\t\n", 1e3*script, number(inRing).text(1))
			} else {
				fmt.Fprint(out, "\t\t\n")
			}
		}
	}
	return nil
}

// iterate is the time that scripts/iterate.sh takes for step k, in seconds.
func (b *bench) iterate(ctx context.Context, w *workload, in inputs, checkpoint string, k int) (float64, error) {
	args := append([]string{checkpoint, in.X, strconv.Itoa(k), "--threads=" + strconv.Itoa(b.threads)}, w.datagen(in)[1:]...)
	c := newCrew(ctx)
	c.add(nil, nil, nil, filepath.Join(b.root, "scripts/iterate.sh"), args...)
	began := time.Now()
	err := c.run()
	return time.Since(began).Seconds(), err
}

// single runs one stage of step k as iterate.sh does, on files in dir, and splits its time: the log says how long it computed
// and wrote, and when.
func (b *bench) single(ctx context.Context, w *workload, in inputs, name, dir string, k int, start float64) (oneStage, error) {
	path := func(name string) string { return filepath.Join(dir, name) }
	checkpoint, threads, log := path("single"), "--threads="+strconv.Itoa(b.threads), path("single.jsonl")
	stage := map[string]struct {
		in, out string
		args    []string
	}{
		"datagen":     {"", "batch", w.datagen(in, "--start-step="+strconv.Itoa(k), "--count=1")},
		"odeforward":  {"batch", "state", []string{"--divergence=model", "--params=" + checkpoint, "--log=" + log}},
		"odebackward": {"state", "gradient", []string{"--params=" + checkpoint, "--log=" + log}},
		"kfacstep":    {"gradient", "params", []string{"--checkpoint=" + checkpoint, "--log=" + log}},
	}[name]
	if err := os.Remove(log); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return oneStage{}, err
	}
	var input *os.File
	if stage.in != "" {
		var err error
		if input, err = os.Open(path(stage.in)); err != nil {
			return oneStage{}, err
		}
	}
	output, err := os.Create(path(stage.out))
	if err != nil {
		return oneStage{}, err
	}
	c := newCrew(ctx)
	c.add(input, output, nil, b.program(name), append(stage.args, threads)...)
	began := time.Now()
	if err := c.run(); err != nil {
		return oneStage{}, err
	}
	s := oneStage{Start: start}
	if name == "datagen" { // it makes what it writes: there is nothing to tell apart
		s.Compute = max(0, time.Since(began).Seconds()-start)
		return s, nil
	}
	return s, s.split(log, began, time.Now())
}

// split divides what a process took beyond its start by the one record of its log.
func (s *oneStage) split(log string, began, ended time.Time) error {
	var records []struct {
		Time           time.Time
		Compute, Write float64
	}
	if err := readLines(log, &records); err != nil {
		return err
	}
	if len(records) != 1 {
		return fmt.Errorf("%s: %w: it has %d steps, not 1", log, errProcess, len(records))
	}
	record := records[0]
	s.Compute = record.Compute
	s.Save = record.Write + max(0, ended.Sub(record.Time).Seconds())
	s.Load = max(0, ended.Sub(began).Seconds()-s.Start-s.Compute-s.Save)
	return nil
}

// datagen are its arguments for the workload's mini-batches.
func (w *workload) datagen(in inputs, more ...string) []string {
	args := []string{"--x=" + in.X, "--batch=" + strconv.Itoa(w.preset.Batch), "--shuffle=false"}
	if in.Y != "" {
		args = append(args, "--y="+in.Y)
	}
	return append(args, more...)
}
