package cli

import (
	"io"

	"odepipe/pkg/wire"
)

// Stage is what a program between two streams works with when parameters come to it from the side.
type Stage struct {
	In     io.Reader
	Out    io.WriteCloser
	Params wire.ParamSource
}

// ParamsFlag adds --params.
func ParamsFlag(f *Flags, path *string) {
	f.StringVar(path, "params", "", "parameters: a checkpoint `FILE`, used for every mini-batch, or a FIFO or stream with one set for each")
}

// Stage opens standard input, standard output and the parameters that --params names.
func (c *Context) Stage(params string, limits wire.Limits) (Stage, error) {
	switch params {
	case "":
		return Stage{}, Usage("--params is missing")
	case "-":
		return Stage{}, Usage("--params -: standard input carries the samples; name a file or a FIFO")
	}
	in, err := c.Input()
	if err != nil {
		return Stage{}, err
	}
	out, err := c.Output()
	if err != nil {
		return Stage{}, err
	}
	source, err := wire.OpenParams(params, limits)
	return Stage{In: in, Out: out, Params: source}, err
}
