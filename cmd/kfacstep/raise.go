package main

import (
	"errors"

	"odepipe/pkg/cli"
	"odepipe/pkg/optim"
	"odepipe/pkg/pipeline"
	"odepipe/pkg/wire"
)

func raiseProgram() cli.Program {
	var checkpoint string
	var factor float64
	return cli.Program{
		Name:    "raise",
		Purpose: "Raise the damping of a checkpoint's optimizer, after a numerical failure.",
		Usage:   "--checkpoint FILE [--factor F]",
		Define: func(f *cli.Flags) {
			defineCheckpoint(f, &checkpoint)
			f.Float64Var(&factor, "factor", 10, "multiply eps by `F`")
		},
		Run: func(_ *cli.Context, _ []string) error {
			switch {
			case checkpoint == "":
				return cli.Usage("--checkpoint is missing")
			case !(factor > 0):
				return cli.Usage("--factor %g: it must be above 0", factor)
			}
			err := pipeline.RaiseDamping(checkpoint, factor, wire.Limits{})
			if errors.Is(err, optim.ErrSetting) {
				return cli.Usage("%v", err)
			}
			return err
		},
		Input:    "none",
		Output:   "none; the checkpoint is replaced",
		Examples: "kfacstep raise --checkpoint=ck.arrow\nkfacstep raise --checkpoint=ck.arrow --factor=2",
	}
}
