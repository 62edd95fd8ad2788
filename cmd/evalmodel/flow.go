package main

import (
	"io"
	"strconv"
	"strings"

	"odepipe/pkg/cli"
	"odepipe/pkg/pipeline"
	"odepipe/pkg/wire"
)

func sampleProgram() cli.Program {
	var params string
	var o pipeline.SampleOptions
	return cli.Program{
		Name:    "sample",
		Purpose: "Draw samples from a flow.",
		Usage:   "--params FILE --count N [flags]",
		Define: func(f *cli.Flags) {
			f.StringVar(&params, "params", "", "the checkpoint `FILE`")
			f.IntVar(&o.Count, "count", 0, "draw `N` samples")
			f.IntVar(&o.Batch, "batch", 1000, "`N` samples a mini-batch, which share their solver's steps")
			f.Uint64Var(&o.Seed, "seed", 0, "`SEED` of the normal variates at the base")
		},
		Run: func(c *cli.Context, _ []string) error {
			switch {
			case o.Count < 1:
				return cli.Usage("--count %d: it must be 1 or more", o.Count)
			case o.Batch < 1:
				return cli.Usage("--batch %d: it must be 1 or more", o.Batch)
			}
			source, out, err := open(c, params)
			if err != nil {
				return err
			}
			defer source.Close()
			o.Backend = c.Backend
			return pipeline.Sample(source, out, o)
		},
		Input:    "none",
		Output:   "sample table of kind batch: step, epoch, index, x",
		Examples: "evalmodel sample --params=ck.arrow --count=1000 > samples.arrow\nevalmodel sample --params=ck.arrow --count=1000 | odeforward --params=ck.arrow | evalmodel",
	}
}

func densityProgram() cli.Program {
	var params, lo, hi string
	var o pipeline.DensityOptions
	return cli.Program{
		Name:    "density",
		Purpose: "Evaluate the log-density of a flow of two features on a grid.",
		Usage:   "--params FILE [flags]",
		Define: func(f *cli.Flags) {
			f.StringVar(&params, "params", "", "the checkpoint `FILE`")
			f.StringVar(&lo, "lo", "-4,-4", "lower corner `X,Y` of the grid")
			f.StringVar(&hi, "hi", "4,4", "upper corner `X,Y`")
			f.IntVar(&o.Points, "points", 100, "`N` cells along each side")
		},
		Run: func(c *cli.Context, _ []string) error {
			var err error
			if o.Lo, err = corner("lo", lo); err != nil {
				return err
			}
			if o.Hi, err = corner("hi", hi); err != nil {
				return err
			}
			if !(o.Hi[0] > o.Lo[0] && o.Hi[1] > o.Lo[1]) {
				return cli.Usage("--hi %s is not above --lo %s", hi, lo)
			}
			if o.Points < 1 || o.Points > 1<<14 {
				return cli.Usage("--points %d: it must be from 1 to %d", o.Points, 1<<14)
			}
			source, out, err := open(c, params)
			if err != nil {
				return err
			}
			defer source.Close()
			o.Backend = c.Backend
			return pipeline.Density(source, out, o)
		},
		Input:    "none",
		Output:   "sample table of kind state: x, pred (the log-density), loss; a mini-batch for each row of cell centres",
		Examples: "evalmodel density --params=ck.arrow --lo=-3,-3 --hi=3,3 --points=200 > density.arrow",
	}
}

// open opens the checkpoint and standard output.
func open(c *cli.Context, params string) (wire.ParamSource, io.WriteCloser, error) {
	if params == "" {
		return nil, nil, cli.Usage("--params is missing")
	}
	out, err := c.Output()
	if err != nil {
		return nil, nil, err
	}
	source, err := wire.OpenParams(params, wire.Limits{})
	return source, out, err
}

// corner parses "X,Y".
func corner(flag, text string) (point [2]float64, err error) {
	words := strings.Split(text, ",")
	if len(words) != 2 {
		return point, cli.Usage("--%s %s: it must be X,Y", flag, text)
	}
	for i, word := range words {
		if point[i], err = strconv.ParseFloat(word, 64); err != nil || point[i]-point[i] != 0 {
			return point, cli.Usage("--%s %s: %q is not a finite number", flag, text, word)
		}
	}
	return point, nil
}
