package pipeline

import (
	"strings"

	"odepipe/pkg/wire"
)

// Facts say what a checkpoint is.
type Facts struct {
	Step       int64    `json:"step"`
	Model      string   `json:"model"`
	DType      string   `json:"dtype"`
	Parameters int      `json:"parameters"`
	Optimizer  []string `json:"optimizer"` // settings that differ from the defaults, name=value
}

// Describe reads them off.
func Describe(c *wire.Checkpoint) (Facts, error) {
	n, err := networkOf(c.Header)
	if err != nil {
		return Facts{}, err
	}
	f := Facts{Step: c.Step, Model: n.Spec.Name, DType: string(c.DType), Optimizer: strings.Fields(c.Extra[keyOptimizer])}
	for _, p := range n.Params {
		f.Parameters += p.Shape.Size()
	}
	return f, nil
}
