package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"text/tabwriter"
)

// number is a float64 whose JSON is null, and whose text a dash, where it is not finite.
type number float64

// MarshalJSON writes the number or null.
func (x number) MarshalJSON() ([]byte, error) {
	if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(x))
}

// report is everything that was measured.
type report struct {
	Torch   string        `json:"torch"` // versions; empty where it did not run
	Threads int           `json:"threads"`
	Device  string        `json:"device"`
	Cores   int           `json:"cores"`
	CPU     string        `json:"cpu"`
	Rounds  int           `json:"rounds"`
	Product number        `json:"best_product_gflops"`
	Runs    []*comparison `json:"runs"`
}

// write prints the tables.
func (r *report) write(out io.Writer) error {
	fmt.Fprintf(out, "%s, %d threads, on %s, %d rounds; best matrix product of the processor %.1f GFLOP/s\n", r.CPU, r.Threads, r.Device, r.Rounds, float64(r.Product))
	if r.Torch != "" {
		fmt.Fprintln(out, r.Torch)
	}
	for _, table := range []func(io.Writer){r.times, r.shares, r.memories} {
		fmt.Fprintln(out)
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
		table(w)
		if err := w.Flush(); err != nil {
			return err
		}
	}
	fmt.Fprintln(out)
	for _, run := range r.Runs {
		if !math.IsNaN(float64(run.Overhead)) {
			fmt.Fprintf(out, "%s %s: %s over adam, a refresh every %d steps\n", run.Workload, run.Optimizer, run.Overhead.percent(1), run.Period)
		}
		for _, note := range run.Notes {
			fmt.Fprintf(out, "%s %s: %s\n", run.Workload, run.Optimizer, note)
		}
	}
	return nil
}

// times compares both sides.
func (r *report) times(out io.Writer) {
	fmt.Fprintln(out, "workload\toptimizer\titeration\tours ms\tPyTorch ms\tratio\tof rounds\tevaluations\tPyTorch's\tfirst losses\t")
	for _, run := range r.Runs {
		for _, row := range run.Rows {
			spread, theirs, losses := "-", "-", "-"
			value := number(math.NaN())
			if row.Ratio != nil {
				value = row.Ratio.Value
				spread = fmt.Sprintf("%.3f..%.3f", row.Ratio.Min, row.Ratio.Max)
				if run.Disturbed {
					spread += " disturbed"
				}
				theirs = fmt.Sprintf("%g + %g", row.Theirs[0], row.Theirs[1])
				if row.Differ {
					theirs += " differ"
				}
				losses = fmt.Sprintf("%.6g %.6g", float64(run.Losses[0]), float64(run.Losses[1]))
			}
			fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%g + %g\t%s\t%s\t\n", run.Workload, run.Optimizer, row.Kind, row.Ours.text(1), row.Torch.text(1),
				value.text(3), spread, row.Evaluations[0], row.Evaluations[1], theirs, losses)
		}
	}
}

// shares says where our time goes.
func (r *report) shares(out io.Writer) {
	fmt.Fprintln(out, "workload\toptimizer\titeration\todeforward\todebackward\tkfacstep\tpipes, waiting\tGFLOP\tGFLOP/s\tof the product\t")
	for _, run := range r.Runs {
		for _, row := range run.Rows {
			fmt.Fprintf(out, "%s\t%s\t%s\t", run.Workload, run.Optimizer, row.Kind)
			for _, name := range stages {
				fmt.Fprintf(out, "%s\t", (number(row.Stages[name]) / row.Ours).percent(1))
			}
			fmt.Fprintf(out, "%s\t%s\t%s\t%s\t\n", (number(row.Waiting) / row.Ours).percent(1), row.GFLOP.text(1), row.Rate.text(1), (row.Rate / r.Product).percent(0))
		}
	}
}

// memories are the peaks in MB.
func (r *report) memories(out io.Writer) {
	fmt.Fprintln(out, "peak MB\toptimizer\tdatagen\todeforward\todebackward\tkfacstep\ttee\tring\tPyTorch\tratio\tover adam\t")
	for _, run := range r.Runs {
		m := run.Memory
		fmt.Fprintf(out, "%s\t%s\t", run.Workload, run.Optimizer)
		for _, name := range []string{"datagen", "odeforward", "odebackward", "kfacstep", "tee"} {
			fmt.Fprintf(out, "%s\t", number(float64(m.Ours[name])/1e6).text(0))
		}
		over := number(float64(m.Ring)/float64(m.Adam) - 1)
		theirs, share := number(math.NaN()), number(math.NaN())
		if m.Torch > 0 {
			theirs, share = number(float64(m.Torch)/1e6), number(float64(m.Ring)/float64(m.Torch))
		}
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\t\n", number(float64(m.Ring)/1e6).text(0), theirs.text(0), share.text(2), over.percent(0))
	}
}

// text is the number with so many decimals.
func (x number) text(decimals int) string {
	if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
		return "-"
	}
	return fmt.Sprintf("%.*f", decimals, float64(x))
}

// percent is a share in percent.
func (x number) percent(decimals int) string {
	if text := (100 * x).text(decimals); text != "-" {
		return text + " %"
	}
	return "-"
}

// save writes everything as JSON.
func (r *report) save(path string) error {
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o666)
}
