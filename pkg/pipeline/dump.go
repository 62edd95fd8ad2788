package pipeline

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"odepipe/pkg/tensor"
	"odepipe/pkg/wire"
)

// Numerical says whether an error is a floating-point outcome, for which commands have an exit status of its own: one
// that it wraps has a method Numerical() bool that says so.
func Numerical(err error) bool {
	var numerical interface{ Numerical() bool }
	return errors.As(err, &numerical) && numerical.Numerical()
}

// Dump keeps what repeats a numerical failure: the mini-batch that a stage was at, and the parameters it had.
type Dump struct {
	Folder  string
	Command func(params, input string) string // the line that repeats the failure from these files
}

// content writes a file.
type content func(io.Writer) error

// keep writes what it takes to repeat err, which a stage met at a step, if d is not nil and err is a numerical failure.
// It returns err with the command that repeats it, or with the reason why there is none.
func (d *Dump) keep(err error, stage string, step int64, params, input content) error {
	if d == nil || !Numerical(err) {
		return err
	}
	name := filepath.Join(d.Folder, fmt.Sprintf("%s-step-%d", stage, step))
	files := [2]string{name + ".params.arrow", name + ".input.arrow"}
	if failed := os.MkdirAll(d.Folder, 0o777); failed != nil {
		return fmt.Errorf("%w; nothing is dumped: %v", err, failed)
	}
	for i, write := range []content{params, input} {
		if failed := create(files[i], write); failed != nil {
			return fmt.Errorf("%w; nothing is dumped: %v", err, failed)
		}
	}
	return fmt.Errorf("%w; to repeat it: %s", err, d.Command(files[0], files[1]))
}

func create(path string, write content) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err = write(f); err != nil {
		err = errors.Join(err, f.Close(), os.Remove(path))
		return err
	}
	return f.Close()
}

// paramsContent is a parameter set as a checkpoint file, which serves every mini-batch.
func paramsContent(source wire.ParamSource, set *wire.Set) content {
	return func(w io.Writer) error {
		header, dtype, err := source.Header()
		if err != nil {
			return err
		}
		c := wire.Checkpoint{Header: header, DType: dtype, Set: *set}
		return c.Encode(w)
	}
}

// samplesContent is one mini-batch as a stream. It says its step even if it had it from its position alone.
func samplesContent(header wire.Header, batch *wire.Samples, step int64) content {
	return func(w io.Writer) error {
		own := *batch
		if own.Column("step") == nil {
			steps := slices.Repeat([]int64{step}, own.Rows)
			own.Columns = append(slices.Clone(own.Columns), wire.Column{Name: "step", Type: wire.Int64, I64: steps})
		}
		writer := wire.NewSampleWriter(w, header)
		if err := writer.Write(&own); err != nil {
			return err
		}
		return writer.Close()
	}
}

// gradientContent is one step's gradients as a stream.
func gradientContent(header wire.Header, set *wire.Set, dtype tensor.DType) content {
	return func(w io.Writer) error {
		header.Kind = wire.Gradient
		writer := wire.NewTensorWriter(w, header, dtype)
		if err := writer.Write(set); err != nil {
			return err
		}
		return writer.Close()
	}
}
