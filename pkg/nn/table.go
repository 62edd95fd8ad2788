package nn

import (
	"errors"
	"fmt"
	"slices"

	"odepipe/pkg/backend"
	"odepipe/pkg/tensor"
)

// ErrShape says that a layer cannot take the shape it is given.
var ErrShape = errors.New("nn: shapes do not fit")

// Kind is one type of layer in model files.
type Kind struct {
	Name  string
	Doc   string
	Keys  []Key
	build func(s Spec, in tensor.Shape) ([]Layer, error)
}

// HasKey says whether a layer of this kind may carry the key.
func (k Kind) HasKey(name string) bool {
	return slices.ContainsFunc(k.Keys, func(key Key) bool { return key.Name == name })
}

var (
	keyIn   = Key{"in", "", "inputs (channels), not counting time"}
	keyOut  = Key{"out", "", "outputs (channels)"}
	keyBias = Key{"bias", "true", "add a bias [out]"}
	keyTime = Key{"time", `"none"`, `"concat" prepends t as input (channel) 0`}
	keyGain = Key{"gain", "1.0", "factor of the initial values"}
)

// Kinds lists every type of layer in display order.
var Kinds = []Kind{
	{"linear", "y = W x + b on vectors", []Key{keyIn, keyOut, keyBias, keyTime, keyGain}, single(linear)},
	{"conv2d", "2-d convolution with square windows", []Key{keyIn, keyOut, {"kernel", "", "side of the window"},
		{"stride", "1", "distance of windows"}, {"padding", "0", "zeros on each side"}, keyBias, keyTime, keyGain}, single(conv2d)},
	{"concatsquash", "(W x + b) sigmoid(w_g t + b_g) + w_h t on vectors", []Key{keyIn, keyOut, keyBias, keyGain}, concatsquash},
	{"relu", "max(x, 0)", nil, single(activationOf(backend.ReLU))},
	{"tanh", "tanh x", nil, single(activationOf(backend.Tanh))},
	{"softplus", "log(1 + e^x)", nil, single(activationOf(backend.Softplus))},
	{"sigmoid", "1 / (1 + e^-x)", nil, single(activationOf(backend.Sigmoid))},
	{"gelu", "x Phi(x)", nil, single(activationOf(backend.GELU))},
	{"silu", "x sigmoid(x)", nil, single(activationOf(backend.SiLU))},
	{"elu", "x, or e^x - 1 below 0", nil, single(activationOf(backend.ELU))},
	{"avgpool2d", "means of non-overlapping windows", []Key{{"kernel", "", "side of the window"}}, single(avgpool2d)},
	{"flatten", "image to vector, in the order (c, h, w)", nil, single(flattenOf)},
}

// KindOf finds a type of layer by name.
func KindOf(name string) (Kind, bool) {
	i := slices.IndexFunc(Kinds, func(k Kind) bool { return k.Name == name })
	if i < 0 {
		return Kind{}, false
	}
	return Kinds[i], true
}

// single is a builder of types that are one layer.
func single(build func(Spec, tensor.Shape) (Layer, error)) func(Spec, tensor.Shape) ([]Layer, error) {
	return func(s Spec, in tensor.Shape) ([]Layer, error) {
		layer, err := build(s, in)
		return []Layer{layer}, err
	}
}

// Build makes the layers of a spec, which follow one another, for inputs of the given shape. The error wraps ErrShape and says which shape it
// got and expected. It panics on an unknown type.
func Build(s Spec, in tensor.Shape) ([]Layer, error) {
	kind, ok := KindOf(s.Type)
	if !ok {
		panic("nn: unknown layer type")
	}
	layers, err := kind.build(s, in)
	if err != nil {
		return nil, fmt.Errorf("%s %q: %w", s.Type, s.Name, err)
	}
	return layers, nil
}
