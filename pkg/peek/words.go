package peek

import (
	"fmt"
	"strings"

	"odepipe/pkg/wire"
)

// kindWords say what each kind of stream is.
var kindWords = map[wire.Kind]string{
	wire.Batch:    "mini-batches from datagen, a row per sample",
	wire.State:    "states, outputs and losses from odeforward, a row per sample",
	wire.Gradient: "gradients and Kronecker factors from odebackward, a row per tensor",
	wire.Params:   "parameters from kfacstep, a row per tensor",
	wire.Trace:    "steps that a solver tried, a row per attempt",
}

// ColumnWords is a column of a table in words.
type ColumnWords struct {
	Name    string `json:"name"`
	Type    string `json:"type"`
	Meaning string `json:"meaning"`
}

// SampleColumns, TensorColumns and TraceColumns are the columns of the three tables; <block> stands for an ODE block's name.
// The types of columns that hold what a model or a data set makes them are left to the stream.
var (
	SampleColumns = []ColumnWords{
		{"step", "int64", "number of the mini-batch, from 0"},
		{"epoch", "int32", "pass over the data, from 0"},
		{"index", "int64", "row of the data set"},
		{"x", "tensor", "input of the model"},
		{"length", "int32", "points of the series; those behind them are padding"},
		{"times", "tensor", "times of the series' points, units of t"},
		{"y", "int32 or tensor", "class, or target"},
		{"t0", "float64", "where the sample's own interval begins, units of t"},
		{"t1", "float64", "where it ends, units of t"},
		{"<block>.x0", "tensor", "state of the block at t0; of a flow, the base"},
		{"<block>.x1", "tensor", "state of the block at t1; of a flow, the data"},
		{"pred", "tensor", "output: logits, values, or log-density in nats"},
		{"loss", "float", "loss of this sample, nats for cross_entropy and nll"},
		{"nfe", "int32", "evaluations of F in the mini-batch's forward solves"},
	}
	TensorColumns = []ColumnWords{
		{"step", "int64", "step whose parameters these are, or belong to"},
		{"name", "utf8", "of the parameter, layer or number, as in a PyTorch state dict"},
		{"role", "utf8", "what the tensor is: param, grad, kron_a, kron_b, scalar, state.*, p, q_uu, hessian"},
		{"shape", "list<int32>", "row-major; empty for a scalar"},
		{"value", "list of numbers", "the numbers, flattened"},
		{"crc32c", "uint32", "CRC-32C of the value's bytes"},
	}
	TraceColumns = []ColumnWords{
		{"step", "int64", "number of the mini-batch"},
		{"block", "utf8", "ODE block that was solved"},
		{"direction", "utf8", "forward, or backward with the adjoint"},
		{"t", "float64", "where the attempted step begins, units of t"},
		{"h", "float64", "its size with its sign, units of t"},
		{"error", "float64 or null", "norm of its scaled error, accepted up to 1; null where the method has none"},
		{"accepted", "bool", "whether it was taken"},
		{"evaluations", "int32", "of F since the solve began"},
		{"seconds", "float64", "since the solve began"},
	}
)

// schemaOf describes the columns that a stream has.
func schemaOf(s *wire.Stream) []ColumnWords {
	switch {
	case s.Trace != nil:
		return TraceColumns
	case s.Tensors != nil:
		columns := append([]ColumnWords(nil), TensorColumns...)
		for i := range columns {
			if columns[i].Name == "value" {
				columns[i].Type = fmt.Sprintf("list<%s>", s.DType)
			}
		}
		return columns
	}
	columns := make([]ColumnWords, len(s.Columns))
	for i, c := range s.Columns {
		columns[i] = ColumnWords{c.Name, typeText(c), meaning(c.Name)}
	}
	return columns
}

// typeText is the type of a sample table's column, as in "float32 [1 28 28]".
func typeText(c wire.Column) string {
	switch {
	case c.Type == wire.Int64:
		return "int64"
	case c.Type == wire.Int32:
		return "int32"
	case len(c.Shape) == 0:
		return string(c.DType)
	}
	return fmt.Sprintf("%s %v", c.DType, c.Shape)
}

// meaning looks a column of the sample table up; empty for one that odepipe does not write.
func meaning(name string) string {
	for _, c := range SampleColumns {
		suffix, block := strings.CutPrefix(c.Name, "<block>")
		if c.Name == name || block && strings.HasSuffix(name, suffix) {
			return c.Meaning
		}
	}
	return ""
}
