// Command datagen writes mini-batches of a data set as a sample stream.
package main

import (
	"fmt"
	"os"
	"strings"

	"odepipe/pkg/cli"
	"odepipe/pkg/dataset"
)

func main() { cli.Main(program()) }

// program describes datagen.
func program() cli.Program {
	var o options
	return cli.Program{
		Name:    "datagen",
		Purpose: "Write mini-batches of a data set; mini-batch k depends on nothing but data, split, batch size, seed and k.",
		Usage:   "DATASET [flags]\n--x FILE [--y FILE] [--length FILE] [--times FILE] [--t0 FILE] [--t1 FILE] [flags]\nlist",
		MaxArgs: 1,
		Define:  o.define,
		Run:     o.run,
		Details: "data sets:\n" + list(),
		Input:   "none, unless a file is called -",
		Output:  "sample stream: step, epoch, index, x, length and times (series), t0, t1, y (where there is one)",
		Examples: `datagen spirals --batch 64 --seed 1 > batches.arrow
datagen mnist --data data --epochs 5 | odeforward --params ck.arrow | evalmodel`,
		Commands: []cli.Program{{
			Name:     "list",
			Purpose:  "List the data sets.",
			Usage:    "[flags]",
			Run:      func(*cli.Context, []string) error { _, err := os.Stdout.WriteString(list()); return err },
			Input:    "none",
			Output:   "text: a line for each data set",
			Examples: "datagen list\ndatagen list | grep circle",
		}},
	}
}

// list is the table of data sets, a line each.
func list() string {
	var b strings.Builder
	for _, entry := range dataset.Table {
		fmt.Fprintf(&b, "  %-14s %s\n", entry.Name, entry.Summary)
	}
	return b.String()
}

// run loads the data and writes the mini-batches.
func (o *options) run(c *cli.Context, args []string) error {
	if err := o.check(c, args); err != nil {
		return err
	}
	out, err := c.Output()
	if err != nil {
		return err
	}
	set, err := o.load()
	if err != nil {
		return err
	}
	plan, err := o.plan(set.Rows)
	if err != nil {
		return err
	}
	first, end, err := o.steps(c, plan)
	if err != nil {
		return err
	}
	c.Note("%s, split %s: %d rows, %d mini-batches in an epoch, steps %d to %d", set.Name, set.Split, plan.Rows, plan.PerEpoch(), first, end)
	return stream(c, out, &source{set: set, changes: o.changes, order: dataset.NewOrder(plan)}, first, end)
}
