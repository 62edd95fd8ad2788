package model

import (
	"odepipe/pkg/adjoint"
	"odepipe/pkg/nn"
	"odepipe/pkg/ode"
	"odepipe/pkg/tensor"
)

// Spec is a parsed model file.
type Spec struct {
	Name   string
	DType  tensor.DType
	Input  tensor.Shape // of one sample: [d], [C, H, W], or [T, C]
	Loss   string
	Blocks []Block

	Text   string // the file, byte for byte: it travels with every stream
	SHA256 string // of Text, hexadecimal
}

// Block is one [[block]]: exactly one field is set.
type Block struct {
	Layer *nn.Spec
	ODE   *ODESpec
}

// ODESpec is a block of type "ode".
type ODESpec struct {
	Name    string
	T0, T1  float64 // units of t
	Solver  ode.Options
	Adjoint Adjoint
	Costs   Costs
	Flow    *Flow     // not nil for a block of type "cnf"
	Series  *Series   // not nil for a block of type "ode_rnn"
	Field   []nn.Spec // names without the block's
}

// Flow makes an ODE block one of a continuous normalising flow: its solve runs from data at t1 to the base at t0 and
// changes the log-density by int tr(F_x) dt.
type Flow struct {
	Divergence string // one of Divergences
	Seed       int    // of the probes
}

// Divergences are the ways to the trace of F_x: by all unit vectors, or estimated with one probe for each sample and solve.
var Divergences = []string{"exact", "rademacher", "gaussian"}

// Series makes an ODE block one of a time series: the field moves a hidden state between the points of the series, a GRU
// cell changes it at them. T0 and T1 have no meaning.
type Series struct {
	Hidden   int
	Channels string // what the cell reads: one of Channels
}

// Channels are the choices: the values, or the time step, the share of observations of every value so far, and the values.
var Channels = []string{"values", "all"}

// Inputs is the number of inputs of the cell for so many values at a point.
func (s *Series) Inputs(values int) int {
	if s.Channels == "all" {
		return 1 + 2*values
	}
	return values
}

// Costs are weights of integrals along the path in the loss: penalties on complicated dynamics (Finlay et al. 2020).
type Costs struct {
	Kinetic  float64 // of int ||F||^2 dt
	Jacobian float64 // of int ||F_x||_F^2 dt, estimated with one probe a solve
}

// Adjoint is how the gradient is computed, and how the backward solve differs from the forward one.
type Adjoint struct {
	Method   adjoint.Method
	Memory   int // states that a checkpointed gradient keeps; 0: one for each step
	Solver   ode.Options
	SemiNorm bool // the step size follows x and its adjoint alone (Kidger et al. 2021), not the parameter integrals
}
