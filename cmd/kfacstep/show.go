package main

import (
	"encoding/json"
	"fmt"
	"os"

	"odepipe/pkg/cli"
	"odepipe/pkg/model"
	"odepipe/pkg/pipeline"
)

func exportProgram() cli.Program {
	var checkpoint string
	return cli.Program{
		Name:    "export",
		Purpose: "Write a checkpoint's parameters as safetensors.",
		Usage:   "--checkpoint FILE > FILE.safetensors",
		Define:  func(f *cli.Flags) { defineCheckpoint(f, &checkpoint) },
		Run: func(c *cli.Context, _ []string) error {
			ck, err := readCheckpoint(checkpoint)
			if err != nil {
				return err
			}
			out, err := c.Output()
			if err != nil {
				return err
			}
			return pipeline.Export(ck, out)
		},
		Input:    "none",
		Output:   "safetensors with the names of a PyTorch state dict",
		Examples: "kfacstep export --checkpoint=ck.arrow > weights.safetensors\nkfacstep export --checkpoint=ck.arrow | wc -c",
	}
}

func showProgram() cli.Program {
	var checkpoint string
	var text bool
	return cli.Program{
		Name:    "show",
		Purpose: "Say what a checkpoint is: its model, step and optimizer.",
		Usage:   "--checkpoint FILE [--model]",
		Define: func(f *cli.Flags) {
			defineCheckpoint(f, &checkpoint)
			f.BoolVar(&text, "model", false, "print the model file instead")
		},
		Run: func(_ *cli.Context, _ []string) error {
			ck, err := readCheckpoint(checkpoint)
			if err != nil {
				return err
			}
			if text {
				_, err := fmt.Print(ck.Model)
				return err
			}
			facts, err := pipeline.Describe(ck)
			if err != nil {
				return err
			}
			return json.NewEncoder(os.Stdout).Encode(facts)
		},
		Input:    "none",
		Output:   "one JSON object, or the model's TOML",
		Examples: "kfacstep show --checkpoint=ck.arrow\nkfacstep show --checkpoint=ck.arrow --model > model.toml",
	}
}

func presetsProgram() cli.Program {
	return cli.Program{
		Name:    "presets",
		Purpose: "List the presets with their batch size, number of epochs, and whether an incomplete last mini-batch is dropped.",
		Run: func(_ *cli.Context, _ []string) error {
			for _, p := range model.Presets {
				if _, err := fmt.Println(p.Name, p.Batch, p.Epochs, !p.Whole); err != nil {
					return err
				}
			}
			return nil
		},
		Input:    "none",
		Output:   "a line for each: name, samples in a mini-batch, epochs, true or false",
		Examples: "kfacstep presets\nkfacstep presets | column -t",
	}
}
