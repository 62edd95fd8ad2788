// Odebackward integrates the adjoint backwards and writes gradients and Kronecker factors.
package main

import (
	"fmt"

	"odepipe/pkg/cli"
	"odepipe/pkg/optim"
	"odepipe/pkg/pipeline"
)

func main() { cli.Main(program()) }

// options are the flags as given.
type options struct {
	pipeline.BackwardOptions
	params, mode, factors, terminal, terms, trace, dump string
}

func program() cli.Program {
	var o options
	return cli.Program{
		Name: "odebackward",
		Purpose: "Integrate the adjoint from t1 back to t0, at memory that does not grow with the number of steps, and sample the " +
			"Kronecker factors of every layer on the way.",
		Usage:  "--params FILE|FIFO [flags]",
		Define: o.define,
		Run:    o.run,
		Input:  "sample table of kind state, from odeforward with the same parameters",
		Output: "tensor table of kind gradient: grad of every parameter, scalars, and what --second-order says",
		Examples: `datagen mnist --count=1 | odeforward --params=ck.arrow | odebackward --params=ck.arrow > gradient.arrow
odebackward --params=ck.arrow --second-order=lowrank --rank=4 < state.arrow > rows.arrow`,
	}
}

func (o *options) define(f *cli.Flags) {
	cli.ParamsFlag(f, &o.params)
	cli.Choice(f, &o.mode, "second-order", "auto", append([]string{"auto"}, pipeline.SecondOrders...),
		"on every mini-batch: snopt Kronecker factors; lowrank these and the rows p of Proposition 2; theorem1 q_uu of every ODE block; "+
			"recursive hessian by the adjoint of the adjoint; none. auto: what the optimizer wants, when it wants it")
	f.IntVar(&o.Sampling.Rank, "rank", 0, "number `R` of vectors q of each sample; above 1 they are sampled; 0: the optimizer's")
	cli.Choice(f, &o.terminal, "terminal", "auto", append([]string{"auto"}, optim.Terminals...),
		"auto: the optimizer's; what the vectors are at the model's output: the loss's gradient, scaled; an exact factor of the loss's Hessian, whose rank it has; or R "+
			"gradients at targets drawn from the model")
	cli.Choice(f, &o.terms, "terms", "linearised", []string{"linearised", "full"}, "of Theorem 1: the paper's, Gauss-Newton; or with all second derivatives, the Hessian")
	cli.Choice(f, &o.factors, "factors", "auto", append([]string{"auto"}, optim.Samplers...), "auto: the optimizer's; sample the factors on a uniform grid, or at the stages of the solver's own steps")
	f.Float64Var(&o.Sampling.Step, "factor-step", 0, "largest spacing `DT` of the grid, units of t; 0: the optimizer's, 0.01 by default")
	f.IntVar(&o.Vectors, "vectors", 0, "of recursive: estimate the Hessian's diagonal for all parameters from `N` products; 0 writes dense Hessians of the ODE blocks")
	f.BoolVar(&o.Check, "check", false, "compute the gradient again in float64 by differentiating the forward solve's steps; write the relative error as scalars check, check.<parameter>")
	cli.TraceFlag(f, &o.trace)
	cli.DumpFlag(f, &o.dump)
	cli.LimitFlags(f, &o.Limits)
	cli.WaitFlag(f, &o.Limits)
}

// check finds flags that contradict each other or have no effect.
func (o *options) check(c *cli.Context) error {
	changed := c.Flags.Changed
	mode := pipeline.SecondOrder(o.mode)
	factors := mode == "auto" || mode == pipeline.SNOpt || mode == pipeline.LowRank
	only := func(flag string, effective bool) error {
		if changed(flag) && !effective {
			return cli.Usage("--%s has no effect with --second-order=%s", flag, o.mode)
		}
		return nil
	}
	for flag, effective := range map[string]bool{"rank": factors, "terminal": factors, "factors": factors, "factor-step": factors,
		"terms": mode == pipeline.Theorem1, "vectors": mode == pipeline.Recursive} {
		if err := only(flag, effective); err != nil {
			return err
		}
	}
	switch {
	case changed("factor-step") && !(o.Sampling.Step > 0):
		return cli.Usage("--factor-step %g: it must be above 0", o.Sampling.Step)
	case changed("factor-step") && o.factors == "stages":
		return cli.Usage("--factor-step has no effect with --factors=stages")
	case changed("rank") && o.Sampling.Rank < 1:
		return cli.Usage("--rank %d: it must be 1 or more", o.Sampling.Rank)
	case o.Vectors < 0:
		return cli.Usage("--vectors %d: it must be 0 or more", o.Vectors)
	case o.terminal == string(pipeline.ExactFactor) && changed("rank"):
		return cli.Usage("--rank has no effect with --terminal=exact: the loss decides")
	case o.terminal == string(pipeline.GradientVector) && o.Sampling.Rank > 1:
		return cli.Usage("--rank %d: the gradient is one vector", o.Sampling.Rank)
	}
	return nil
}

func (o *options) run(c *cli.Context, _ []string) error {
	if err := o.check(c); err != nil {
		return err
	}
	if o.mode != "auto" {
		o.SecondOrder = pipeline.SecondOrder(o.mode)
	}
	o.Full = o.terms == "full"
	if o.terminal != "auto" {
		o.Sampling.Terminal = pipeline.Terminal(o.terminal)
	}
	if o.factors != "auto" {
		o.Sampling.Factors = o.factors
	}
	stage, err := c.Stage(o.params, o.Limits)
	if err != nil {
		return err
	}
	defer stage.Params.Close()
	trace, err := c.TraceFile(o.trace)
	if err != nil {
		return err
	}
	o.Trace = trace.Writer()
	progress := c.Progress(-1, "mini-batches")
	o.Backend, o.Dump = c.Backend, c.Dump(o.dump, "params")
	o.Done = func(r pipeline.BatchRecord) {
		c.Log(r)
		progress.Advance(1, fmt.Sprintf("loss %.4f", r.Loss))
	}
	return trace.Close(pipeline.Backward(stage.Params, stage.In, stage.Out, o.BackwardOptions))
}
