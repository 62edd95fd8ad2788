// Odeforward solves dx/dt = F(t, x, theta) for mini-batches and writes the terminal states.
package main

import (
	"fmt"

	"odepipe/pkg/cli"
	"odepipe/pkg/pipeline"
)

func main() { cli.Main(program()) }

func program() cli.Program {
	var params, divergence, trace, dump string
	var o pipeline.ForwardOptions
	return cli.Program{
		Name:    "odeforward",
		Purpose: "Run a model on mini-batches: solve its ODE blocks from t0 to t1, write terminal states, outputs and losses.",
		Usage:   "--params FILE|FIFO [flags]",
		Define: func(f *cli.Flags) {
			cli.ParamsFlag(f, &params)
			f.BoolVar(&o.KeepInitial, "keep-initial", false, "write the states at t0 too, as <block>.x0")
			f.BoolVar(&o.PathCosts, "path-costs", false, "write the integrals of ||F||^2 and ||dF/dx||_F^2 (estimated with one probe) along every sample's path, as <block>.kinetic and <block>.jacobian")
			cli.Choice(f, &divergence, "divergence", "auto", pipeline.Divergences,
				"of flows: as the model says, exactly by all unit vectors, or auto: exact but on a training split")
			cli.TraceFlag(f, &trace)
			cli.DumpFlag(f, &dump)
			cli.LimitFlags(f, &o.Limits)
			cli.WaitFlag(f, &o.Limits)
		},
		Run: func(c *cli.Context, _ []string) error {
			stage, err := c.Stage(params, o.Limits)
			if err != nil {
				return err
			}
			defer stage.Params.Close()
			file, err := c.TraceFile(trace)
			if err != nil {
				return err
			}
			o.Trace, o.Divergence = file.Writer(), pipeline.Divergence(divergence)
			progress := c.Progress(-1, "mini-batches")
			o.Backend, o.Dump = c.Backend, c.Dump(dump, "params")
			o.Done = func(r pipeline.BatchRecord) {
				c.Log(r)
				progress.Advance(1, fmt.Sprintf("loss %.4f", r.Loss))
			}
			return file.Close(pipeline.Forward(stage.Params, stage.In, stage.Out, o))
		},
		Input:  "sample table of kind batch, from datagen",
		Output: "sample table of kind state: its input's columns, then <block>.x1, pred, loss, nfe",
		Examples: `datagen mnist --count=1 | odeforward --params=ck.arrow > state.arrow
datagen mnist --split=test --batch=500 | odeforward --params=ck.arrow | evalmodel`,
	}
}
