// Kfacstep applies gradients to a checkpoint, preconditioned as its optimizer says, and streams the parameters.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"golang.org/x/term"

	"odepipe/pkg/cli"
	"odepipe/pkg/pipeline"
	"odepipe/pkg/wire"
)

func main() { cli.Main(program()) }

func program() cli.Program {
	var checkpoint, mishap, dump string
	var o pipeline.TrainOptions
	return cli.Program{
		Name:    "kfacstep",
		Purpose: "Apply each step of a gradient stream to a checkpoint and write the parameters of every step.",
		Usage:   "--checkpoint FILE [flags]\ninit --model MODEL [flags] > FILE\nexport --checkpoint FILE > FILE.safetensors\nshow --checkpoint FILE\nraise --checkpoint FILE [--factor F]\npresets",
		Define: func(f *cli.Flags) {
			defineCheckpoint(f, &checkpoint)
			f.Int64Var(&o.Every, "every", 100, "save after every `N` steps, and at the end of the input and on SIGTERM")
			cli.Choice(f, &mishap, "on-nonfinite", "fail", []string{"fail", "skip"},
				"at a numerical failure: fail with status 3, or leave the parameters as they are, warn, and go on with the next step")
			cli.DumpFlag(f, &dump)
			cli.LimitFlags(f, &o.Limits)
		},
		Run: func(c *cli.Context, _ []string) error {
			if o.Every < 1 {
				return cli.Usage("--every %d: it must be 1 or more", o.Every)
			}
			o.Skip, o.Dump = mishap == "skip", c.Dump(dump, "checkpoint")
			if o.Skip && o.Dump != nil {
				return cli.Usage("--dump has no effect with --on-nonfinite=skip")
			}
			if err := cli.CheckLimits(o.Limits); err != nil {
				return err
			}
			return train(c, checkpoint, o)
		},
		Input:  "tensor table of kind gradient, from odebackward",
		Output: "tensor table of kind params: the checkpoint's parameters, then those after each step; nothing to a terminal",
		Examples: `kfacstep init --model=mnist --optimizer=snopt > ck.arrow
datagen mnist --count=1 | odeforward --params=ck.arrow | odebackward --params=ck.arrow | kfacstep --checkpoint=ck.arrow > params.arrow`,
		Commands: []cli.Program{initProgram(), exportProgram(), showProgram(), raiseProgram(), presetsProgram()},
	}
}

func defineCheckpoint(f *cli.Flags, checkpoint *string) {
	f.StringVar(checkpoint, "checkpoint", "", "the checkpoint `FILE`")
}

func train(c *cli.Context, checkpoint string, o pipeline.TrainOptions) error {
	if checkpoint == "" {
		return cli.Usage("--checkpoint is missing")
	}
	if checkpoint == "-" {
		return cli.Usage("--checkpoint -: standard input carries the gradients, and the checkpoint is replaced after them; name a file")
	}
	in, err := c.Input()
	if err != nil {
		return err
	}
	var out io.Writer
	if !term.IsTerminal(int(os.Stdout.Fd())) {
		out = os.Stdout
	}
	progress := c.Progress(-1, "steps")
	o.Backend, o.Threads = c.Backend, c.Threads
	o.Done = func(r pipeline.StepRecord) {
		if r.Skipped != "" {
			c.Warn("skipped, %d so far: %s", r.Skips, r.Skipped)
			c.Log(map[string]any{"step": r.Step, "epoch": r.Epoch, "loss": r.Loss, "seconds": r.Seconds, "skipped": r.Skipped, "skips": r.Skips})
			progress.Advance(1, fmt.Sprintf("epoch %d, %d skipped", r.Epoch, r.Skips))
			return
		}
		for _, w := range r.Warnings {
			c.Warn("step %d: %s", r.Step, w)
		}
		c.Log(r)
		progress.Advance(1, fmt.Sprintf("epoch %d, loss %.4f", r.Epoch, r.Loss))
	}
	err = pipeline.Train(c.Signals(), checkpoint, in, out, o)
	if errors.Is(err, pipeline.ErrStopped) {
		return syscall.Kill(os.Getpid(), syscall.SIGTERM) // die of the signal, as others see it
	}
	return err
}

func readCheckpoint(path string) (*wire.Checkpoint, error) {
	if path == "" {
		return nil, cli.Usage("--checkpoint is missing")
	}
	return wire.ReadCheckpoint(path, wire.Limits{})
}
