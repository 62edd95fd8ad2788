package model

// Key is a key of a model file in words. Default "" means required.
type Key struct{ Name, Default, Doc string }

// Section is a table of a model file with its keys; layers have theirs in nn.Kinds.
type Section struct {
	Name, Doc string
	Keys      []Key
}

// Sections describes every table of a model file that is no layer.
var Sections = []Section{
	{"top", "the file itself", []Key{
		{"name", "", "name of the model"},
		{"dtype", `"float32"`, `element type; "float64" is computed by the reference backend`},
		{"input", "", "shape of a sample: [features], [channels, height, width] or [points, channels]"},
		{"loss", "", "loss of a sample"},
		{"block", "", "[[block]] tables, run in order; each is a layer, or of one of the types below"},
	}},
	{"ode", "a block of type ode: the state at t1 of dx/dt = F(t, x), from x(t0) = its input", []Key{
		{"type", "", `"ode"`},
		{"name", "index of the block", "stands in front of the names of its layers"},
		{"t0", "0.0", "where the solve begins, units of t"},
		{"t1", "1.0", "where it ends, units of t"},
		{"solver", "{}", "table, see solver"},
		{"adjoint", "{}", "table, see adjoint"},
		{"kinetic", "0.0", "multiple of the integral of ||F||^2 dt in the loss"},
		{"jacobian", "0.0", "multiple of the integral of ||dF/dx||_F^2 dt in the loss, estimated with one probe a solve"},
		{"field", "", "list of layers, F"},
	}},
	{"cnf", "a block of type cnf: an ode block of a flow, with these keys more", []Key{
		{"divergence", `"exact"`, "how the trace of dF/dx is found: by all unit vectors, or by one probe for each sample and solve"},
		{"seed", "0", "of the probes"},
	}},
	{"ode_rnn", "a block of type ode_rnn: an ode block over a series, without t0, t1, kinetic and jacobian, with these keys more", []Key{
		{"hidden", "", "numbers of the state"},
		{"channels", `"values"`, `what the GRU cell reads; "all": before the values the time step, and of every value the share of points so far at which it was observed`},
	}},
	{"solver", "the table solver of a block", []Key{
		{"method", `"dopri5"`, "method of integration"},
		{"rtol", "1e-3", "relative part of the error that a step may have"},
		{"atol", "1e-3", "absolute part of it"},
		{"step_size", "chosen", "steps of this size, units of t; a method that cannot choose needs it"},
		{"first_step", "chosen", "size of the first step, units of t"},
		{"dt_min", "none", "smallest step, units of t; needing a smaller one is a numerical failure"},
		{"dt_max", "none", "largest step, units of t"},
		{"max_steps", "100000", "more steps are a numerical failure"},
		{"controller", `"i"`, "what chooses the next step from the errors"},
		{"control", `"batch"`, "one step size for the mini-batch, or one for each sample"},
	}},
	{"adjoint", "the table adjoint of a block; beside these keys, those of solver but method, for the backward solve, the forward one's by default", []Key{
		{"method", `"backsolve"`, "how the gradient is found"},
		{"memory", "0", "states that a checkpointed gradient keeps; 0: one for each step"},
		{"norm", `"full"`, `"seminorm": steps do not follow the parameter integrals`},
	}},
}
