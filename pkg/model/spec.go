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
	Input  tensor.Shape // of one sample: [d] or [C, H, W]
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
	Field   []nn.Spec // names without the block's
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
