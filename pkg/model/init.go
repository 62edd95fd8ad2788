package model

import (
	"math"
	"math/rand/v2"

	"odepipe/pkg/tensor"
)

// Init draws initial values for parameter i of the network as PyTorch does by default, Kaiming-uniform with a = sqrt 5:
//
//	weight, bias ~ U(-1/sqrt(FanIn), 1/sqrt(FanIn))
//
// It is a pure function of seed and i.
func (n *Network) Init(i int, seed uint64) tensor.Buffer {
	p := n.Params[i]
	random := rand.New(rand.NewPCG(seed, uint64(i)))
	bound := 1 / math.Sqrt(float64(p.FanIn))
	values := n.Spec.DType.Make(p.Shape.Size())
	for j := range p.Shape.Size() {
		values.Set(j, bound*(2*random.Float64()-1))
	}
	return values
}
