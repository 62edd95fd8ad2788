package pipeline

import (
	"fmt"
	"io"

	"odepipe/pkg/wire"
)

// nextParams takes the parameter set for the mini-batch of a step: the only one of a file, the next one of a stream.
func nextParams(params wire.ParamSource, step int64) (*wire.Set, error) {
	set, err := params.Next()
	if err == io.EOF {
		return nil, fmt.Errorf("the parameter stream ends before step %d: %w", step, ErrMismatch)
	}
	if err != nil {
		return nil, fmt.Errorf("parameters for step %d: %w", step, err)
	}
	if !params.Fixed() && set.Step != step {
		return nil, fmt.Errorf("mini-batch %d came with the parameters of step %d (datagen --start-step?): %w", step, set.Step, ErrMismatch)
	}
	return set, nil
}

// finishParams reads a parameter stream to its end marker, so that its writer is not cut off and a broken one is
// noticed. Output must be complete and closed before: the writer may be waiting for it.
func finishParams(params wire.ParamSource) error {
	if params.Fixed() {
		return nil
	}
	for {
		if _, err := params.Next(); err == io.EOF {
			return nil
		} else if err != nil {
			return fmt.Errorf("end of the parameter stream: %w", err)
		}
	}
}
