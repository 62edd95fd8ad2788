package optim

import (
	"encoding/binary"
	"hash/fnv"
	"math/rand/v2"
)

// steered is the t1 that a block has at a step (STEER, Ghosh et al. 2020):
//
//	t1 + U(-B, B)
//
// drawn anew for every step and block, a pure function of the seed, the step and the block's name; t1 itself without B.
func (s Settings) steered(b Block, step int64) float64 {
	if s.Steer == 0 {
		return b.T1
	}
	hash := fnv.New64a()
	hash.Write(binary.LittleEndian.AppendUint64(nil, uint64(step)))
	hash.Write([]byte(b.Name))
	random := rand.New(rand.NewPCG(uint64(s.SteerSeed), hash.Sum64()))
	return b.T1 + s.Steer*(2*random.Float64()-1)
}
