package pipeline

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"slices"

	"github.com/nlpodyssey/safetensors"

	"odepipe/pkg/model"
	"odepipe/pkg/tensor"
	"odepipe/pkg/wire"
)

// Export writes the parameters of a checkpoint as safetensors, under the names of a PyTorch state dict.
func Export(c *wire.Checkpoint, w io.Writer) error {
	views := map[string]safetensors.TensorView{}
	for _, t := range c.Tensors {
		if t.Role != wire.Param {
			continue
		}
		dtype, data := safetensors.F32, make([]byte, 0, 8*t.Value.Len())
		if t.Value.F64 != nil {
			dtype = safetensors.F64
		}
		for _, v := range t.Value.F32 {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
		}
		for _, v := range t.Value.F64 {
			data = binary.LittleEndian.AppendUint64(data, math.Float64bits(v))
		}
		shape := make([]uint64, len(t.Shape))
		for i, d := range t.Shape {
			shape[i] = uint64(d)
		}
		view, err := safetensors.NewTensorView(dtype, shape, data)
		if err != nil {
			return fmt.Errorf("%s: %w", t.Name, err)
		}
		views[t.Name] = view
	}
	return safetensors.SerializeToWriter(views, map[string]string{"format": "pt"}, w)
}

// importWeights reads the values of the network's parameters from a safetensors file, float32 or float64, converted to
// the model's type; "-" is standard input. Tensors that are missing, left over or of another shape are errors.
func importWeights(path string, n *model.Network) ([]tensor.Buffer, error) {
	if path == "-" {
		path = os.Stdin.Name()
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	file, err := safetensors.Deserialize(data)
	if err != nil {
		return nil, fmt.Errorf("%s is not a safetensors file: %w: %w", path, err, wire.ErrCorrupt)
	}
	var values []tensor.Buffer
	for _, p := range n.Params {
		view, ok := file.Tensor(p.Name)
		if !ok {
			return nil, fmt.Errorf("%s has no tensor %s: %w", path, p.Name, ErrMismatch)
		}
		shape := make([]int, len(view.Shape()))
		for i, d := range view.Shape() {
			shape[i] = int(d)
		}
		if !slices.Equal(shape, p.Shape.Dims()) {
			return nil, fmt.Errorf("%s: %s has shape %v, expected %v: %w", path, p.Name, shape, p.Shape, ErrMismatch)
		}
		value, err := weightOf(view, n.Spec.DType)
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", path, p.Name, err)
		}
		values = append(values, value)
	}
	for _, name := range file.Names() {
		if !slices.ContainsFunc(n.Params, func(p model.Param) bool { return p.Name == name }) {
			return nil, fmt.Errorf("%s has a tensor %s that the model %q lacks: %w", path, name, n.Spec.Name, ErrMismatch)
		}
	}
	return values, nil
}

// weightOf converts a tensor's bytes and refuses non-finite values.
func weightOf(view safetensors.TensorView, dtype tensor.DType) (tensor.Buffer, error) {
	data := view.Data()
	var read func(i int) float64
	size := 4
	switch view.DType() {
	case safetensors.F32:
		read = func(i int) float64 { return float64(math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))) }
	case safetensors.F64:
		size = 8
		read = func(i int) float64 { return math.Float64frombits(binary.LittleEndian.Uint64(data[8*i:])) }
	default:
		return tensor.Buffer{}, fmt.Errorf("element type %v, expected F32 or F64: %w", view.DType(), ErrMismatch)
	}
	value := dtype.Make(len(data) / size)
	for i := range value.Len() {
		v := read(i)
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return value, fmt.Errorf("element %d is %g: %w", i, v, ErrNonFinite)
		}
		value.Set(i, v)
	}
	return value, nil
}
