// Evalmodel judges a model: it reads odeforward's stream and prints one JSON object.
package main

import (
	"encoding/json"
	"os"

	"odepipe/pkg/cli"
	"odepipe/pkg/pipeline"
	"odepipe/pkg/wire"
)

func main() { cli.Main(program()) }

func program() cli.Program {
	var by, path string
	var limits wire.Limits
	return cli.Program{
		Name:    "evalmodel",
		Purpose: "Print the loss, accuracy and number of evaluations of a model over all samples of a stream.",
		Usage:   "[flags]\nsample --params FILE --count N [flags]\ndensity --params FILE [flags]",
		Define: func(f *cli.Flags) {
			cli.Choice(f, &by, "by", "all", []string{"all", "class"}, "add the figures of each true class")
			f.StringVar(&path, "predictions", "", "write a CSV `FILE` with a row per sample: index, loss, and the true and predicted class")
			cli.LimitFlags(f, &limits)
		},
		Run: func(c *cli.Context, _ []string) error {
			if err := cli.CheckLimits(limits); err != nil {
				return err
			}
			in, err := c.Input()
			if err != nil {
				return err
			}
			o := pipeline.EvaluateOptions{ByClass: by == "class", Limits: limits}
			var csv *predictions
			if path != "" {
				if csv, err = newPredictions(path); err != nil {
					return err
				}
			}
			progress := c.Progress(-1, "samples")
			o.Each = func(p pipeline.Prediction) {
				if csv != nil {
					csv.add(p)
				}
				progress.Advance(1, "")
			}
			figures, err := pipeline.Evaluate(in, o)
			if err != nil {
				return err
			}
			if csv != nil {
				if err := csv.save(); err != nil {
					return err
				}
			}
			return json.NewEncoder(os.Stdout).Encode(figures)
		},
		Input:  "sample table of kind state, from odeforward",
		Output: `one JSON object: {"samples": ..., "loss": ..., "accuracy": ... or "nll": ..., "bits_per_dim": ..., "nfe": ...}`,
		Examples: `datagen mnist --split=test --batch=500 | odeforward --params=ck.arrow | evalmodel
evalmodel --by=class --predictions=predictions.csv < state.arrow`,
		Commands: []cli.Program{sampleProgram(), densityProgram()},
	}
}
