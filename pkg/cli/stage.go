package cli

import (
	"io"
	"os"

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
	if err := CheckLimits(limits); err != nil {
		return Stage{}, err
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

// TraceFlag adds --trace.
func TraceFlag(f *Flags, path *string) {
	f.StringVar(path, "trace", "", "write an Arrow stream to `FILE` with a row for every step that the solver tried: block, t, h, error, accepted, evaluations, seconds")
}

// TraceFile is the file of --trace; nil if there is none.
type TraceFile struct{ file *os.File }

// TraceFile creates the file that --trace names, if it names one.
func (c *Context) TraceFile(path string) (*TraceFile, error) {
	switch path {
	case "":
		return nil, nil
	case "-":
		return nil, Usage("--trace -: standard output carries the results; name a file")
	}
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	return &TraceFile{file}, nil
}

// Writer is where rows go, nil for no file.
func (t *TraceFile) Writer() io.Writer {
	if t == nil {
		return nil
	}
	return t.file
}

// Close closes the file; it returns err or else what went wrong.
func (t *TraceFile) Close(err error) error {
	if t == nil {
		return err
	}
	if closing := t.file.Close(); err == nil {
		err = closing
	}
	return err
}
