package main

import (
	"bufio"
	"fmt"
	"os"

	"odepipe/pkg/cli"
	"odepipe/pkg/peek"
	"odepipe/pkg/wire"
)

func diffProgram() cli.Program {
	var o peek.Options
	var tolerance float64
	var asJSON bool
	return cli.Program{
		Name:    "diff",
		Purpose: "Compare two streams or files, tensor by tensor; exit status 1 if they differ.",
		Usage:   "A B [flags]",
		MaxArgs: 2,
		Define: func(f *cli.Flags) {
			f.Float64Var(&tolerance, "tol", 0, "numbers a and b agree if |a - b| <= `TOL` max(1, |a|, |b|)")
			filterFlags(f, &o.Filter)
			f.BoolVar(&asJSON, "json", false, "print JSON, an object a line")
		},
		Run: func(c *cli.Context, args []string) error {
			if len(args) != 2 {
				return cli.Usage("expected two files A B")
			}
			if args[0] == "-" && args[1] == "-" {
				return cli.Usage("A and B cannot both be standard input")
			}
			if !(tolerance >= 0) {
				return cli.Usage("--tol %g: it must be 0 or more", tolerance)
			}
			if err := checkFilter(o.Filter); err != nil {
				return err
			}
			if asJSON {
				o.Format = "json"
			}
			return diff(c, args[0], args[1], tolerance, o)
		},
		Input:    "none, unless a file is called -",
		Output:   "a line for each tensor: the largest absolute and relative difference",
		Examples: "arrowpeek diff before.arrow after.arrow\narrowpeek diff before.arrow after.arrow --role=param --tol=1e-6",
	}
}

func diff(c *cli.Context, a, b string, tolerance float64, o peek.Options) error {
	var streams [2]*wire.Stream
	for i, path := range []string{a, b} {
		in, name, err := open(c, path)
		if err != nil {
			return err
		}
		defer in.Close()
		if streams[i], err = wire.OpenStream(in, wire.Limits{}); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	out := bufio.NewWriter(os.Stdout)
	err := peek.Diff(streams[0], streams[1], out, tolerance, o)
	if flushing := out.Flush(); err == nil {
		err = flushing
	}
	return err
}
