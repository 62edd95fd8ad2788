// Odebackward integrates the adjoint backwards and writes gradients and Kronecker factors.
package main

import (
	"fmt"

	"odepipe/pkg/cli"
	"odepipe/pkg/pipeline"
)

func main() { cli.Main(program()) }

func program() cli.Program {
	var params, mode string
	var o pipeline.BackwardOptions
	return cli.Program{
		Name: "odebackward",
		Purpose: "Integrate the adjoint from t1 back to t0, at memory that does not grow with the number of steps, and sample the " +
			"Kronecker factors of every layer on the way.",
		Usage: "--params FILE|FIFO [flags]",
		Define: func(f *cli.Flags) {
			cli.ParamsFlag(f, &params)
			cli.Choice(f, &mode, "second-order", "auto", []string{"auto", string(pipeline.SNOpt), string(pipeline.None)},
				"Kronecker factors: on the mini-batches for which the optimizer wants them, on all, or on none")
			f.Float64Var(&o.FactorStep, "factor-step", 0.01, "largest spacing `DT` of the grid of the factors, units of t")
		},
		Run: func(c *cli.Context, _ []string) error {
			if !(o.FactorStep > 0) {
				return cli.Usage("--factor-step %g: it must be above 0", o.FactorStep)
			}
			if mode == string(pipeline.None) && c.Flags.Changed("factor-step") {
				return cli.Usage("--factor-step has no effect with --second-order=none")
			}
			if mode != "auto" {
				o.SecondOrder = pipeline.SecondOrder(mode)
			}
			stage, err := c.Stage(params, o.Limits)
			if err != nil {
				return err
			}
			defer stage.Params.Close()
			progress := c.Progress(-1, "mini-batches")
			o.Backend = c.Backend
			o.Done = func(r pipeline.BatchRecord) {
				c.Log(r)
				progress.Advance(1, fmt.Sprintf("loss %.4f", r.Loss))
			}
			return pipeline.Backward(stage.Params, stage.In, stage.Out, o)
		},
		Input:  "sample table of kind state, from odeforward with the same parameters",
		Output: "tensor table of kind gradient: grad of every parameter, kron_a and kron_b of every layer where wanted, scalars",
		Examples: `datagen mnist --count=1 | odeforward --params=ck.arrow | odebackward --params=ck.arrow > gradient.arrow
odebackward --params=ck.arrow --second-order=snopt --factor-step=0.05 < state.arrow > gradient.arrow`,
	}
}
