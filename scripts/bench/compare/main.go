// Compare measures odepipe's ring against PyTorch with torchdiffeq: same models, batch sizes, tolerances, initial weights
// and mini-batches, in turn. scripts/bench/compare.sh builds and runs it.
//
// A run of a workload with an optimizer has two steps that do not count, then those that do, then, of an optimizer that
// has refreshes, another refresh: the first step is one, but cold. A round is such a run of ours and one of PyTorch's, each
// from the initial weights, in processes of their own. Inputs are standard normal, classes random.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/pflag"
)

var errUsage = errors.New("wrong usage")

// options are the flags and, behind them, the workloads.
type options struct {
	root       string
	rounds     int
	steps      int
	threads    int
	device     string
	optimizers []string
	python     string
	json       string
	oneshot    bool
	workloads  []*workload
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if err == nil || errors.Is(err, pflag.ErrHelp) {
		return
	}
	fmt.Fprintln(os.Stderr, "compare:", err)
	if errors.Is(err, errUsage) {
		os.Exit(2)
	}
	os.Exit(1)
}

func run(ctx context.Context, args []string, out, messages io.Writer) error {
	o, err := parse(args, out)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "compare")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{root: o.root, threads: o.threads, device: o.device}
	if o.oneshot {
		return b.oneshot(ctx, o, dir, out)
	}
	r, err := b.compare(ctx, o, dir, messages)
	if err != nil {
		return err
	}
	if o.json != "" {
		if err := r.save(o.json); err != nil {
			return err
		}
	}
	return r.write(out)
}

func parse(args []string, out io.Writer) (options, error) {
	var o options
	f := pflag.NewFlagSet("compare", pflag.ContinueOnError)
	f.SortFlags = false
	f.SetOutput(out)
	f.IntVar(&o.rounds, "rounds", 2, "so many rounds: `N` times ours, then PyTorch's")
	f.IntVar(&o.steps, "steps", 0, "count `N` ordinary iterations a round; 0: the workload's own number, ten minutes in all")
	f.IntVar(&o.threads, "threads", 2, "compute with `N` threads on both sides")
	f.StringVar(&o.device, "device", "cpu", "compute on `DEVICE`, cpu or cuda, on both sides")
	f.StringSliceVar(&o.optimizers, "optimizer", []string{"adam", "snopt"}, "the optimizers `NAME,...` with the settings of the presets; mnist has snopt-paper too")
	f.StringVar(&o.python, "python", "python3", "the `PYTHON` interpreter that has torch and torchdiffeq; none for ours alone")
	f.StringVar(&o.json, "json", "", "write everything to `FILE` as JSON")
	f.BoolVar(&o.oneshot, "oneshot", false, "instead, measure an iteration of ours by one process a stage, split into start, load, compute and save")
	f.StringVar(&o.root, "root", ".", "the checkout `DIR`, with the programs in bin")
	f.Usage = func() {
		fmt.Fprintf(out, "usage: compare.sh [WORKLOAD...] [flags]\n\nMeasure odepipe against PyTorch with torchdiffeq.\n\nflags:\n%s\nworkloads: %s\n", f.FlagUsages(), workloadNames())
	}
	if err := f.Parse(args); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return o, err
		}
		return o, fmt.Errorf("%w: %w", errUsage, err)
	}
	if o.rounds < 1 || o.steps < 0 || o.threads < 1 || len(o.optimizers) == 0 {
		return o, fmt.Errorf("%w: --rounds and --threads are 1 or more, --steps 0 or more, --optimizer is not empty", errUsage)
	}
	if o.device != "cpu" && (o.device != "cuda" || o.oneshot) {
		return o, fmt.Errorf("%w: --device is cpu or, without --oneshot, cuda", errUsage)
	}
	names := f.Args()
	if len(names) == 0 {
		for _, w := range workloads {
			names = append(names, w.name)
		}
	}
	for _, name := range names {
		w, err := newWorkload(name, o.steps)
		if err != nil {
			return o, err
		}
		o.workloads = append(o.workloads, w)
	}
	var err error
	o.root, err = filepath.Abs(o.root)
	return o, err
}
