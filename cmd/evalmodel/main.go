// Evalmodel judges a model: it reads odeforward's stream and prints one JSON object.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"odepipe/pkg/cli"
	"odepipe/pkg/pipeline"
)

func main() { cli.Main(program()) }

func program() cli.Program {
	var by, predictions string
	return cli.Program{
		Name:    "evalmodel",
		Purpose: "Print the loss, accuracy and number of evaluations of a model over all samples of a stream.",
		Usage:   "[flags]",
		Define: func(f *cli.Flags) {
			cli.Choice(f, &by, "by", "all", []string{"all", "class"}, "add the figures of each true class")
			f.StringVar(&predictions, "predictions", "", "write a CSV `FILE` with a row per sample: index, loss, and the true and predicted class")
		},
		Run: func(c *cli.Context, _ []string) error {
			in, err := c.Input()
			if err != nil {
				return err
			}
			o := pipeline.EvaluateOptions{ByClass: by == "class"}
			finish := func() error { return nil }
			if predictions != "" {
				if o.Each, finish, err = writePredictions(predictions); err != nil {
					return err
				}
			}
			figures, err := pipeline.Evaluate(in, o)
			if err != nil {
				return err
			}
			if err := finish(); err != nil {
				return err
			}
			return json.NewEncoder(os.Stdout).Encode(figures)
		},
		Input:  "sample table of kind state, from odeforward",
		Output: `one JSON object: {"samples": ..., "loss": ..., "accuracy": ..., "nfe": ...}`,
		Examples: `datagen mnist --split=test | odeforward --params=ck.arrow | evalmodel
evalmodel --by=class --predictions=predictions.csv < state.arrow`,
	}
}

// writePredictions returns a function that writes a sample's line and one that completes the file. The file appears
// under its name only when it is complete.
func writePredictions(path string) (each func(pipeline.Prediction) error, finish func() error, err error) {
	file, err := os.Create(path + ".partial")
	if err != nil {
		return nil, nil, err
	}
	w := bufio.NewWriter(file)
	fmt.Fprintln(w, "index,loss,class,predicted")
	each = func(p pipeline.Prediction) error {
		if p.HasClass {
			_, err := fmt.Fprintf(w, "%d,%g,%d,%d\n", p.Index, p.Loss, p.True, p.Class)
			return err
		}
		_, err := fmt.Fprintf(w, "%d,%g,,\n", p.Index, p.Loss)
		return err
	}
	finish = func() error {
		if err := w.Flush(); err != nil {
			return err
		}
		if err := file.Close(); err != nil {
			return err
		}
		return os.Rename(path+".partial", path)
	}
	return each, finish, nil
}
