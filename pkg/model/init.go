package model

import (
	"math/rand/v2"

	"odepipe/pkg/tensor"
)

// Init draws initial values for parameter i of the network, uniform in [-Bound, Bound]. It is a pure function of seed and i.
func (n *Network) Init(i int, seed uint64) tensor.Buffer {
	p := n.Params[i]
	random := rand.New(rand.NewPCG(seed, uint64(i)))
	values := n.Spec.DType.Make(p.Shape.Size())
	for j := range p.Shape.Size() {
		values.Set(j, p.Bound*(2*random.Float64()-1))
	}
	return values
}
