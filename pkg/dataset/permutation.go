package dataset

import "math/bits"

// permutation is a bijection of [0, n) that a key picks, evaluated one index at a time in constant time: a balanced
// Feistel network on the numbers of 2*half bits,
//
//	(L, R) -> (R, L xor F_r(R)),   F_r(R) = low bits of mix(R + key_r),   r = 1 ... rounds
//
// walked until it comes back into [0, n) (cycle walking: Black and Rogaway, "Ciphers with arbitrary finite domains",
// 2002), on average at most four times for n >= 256.
type permutation struct {
	n    uint64
	half uint
	keys [rounds]uint64
}

// rounds is twice the four that make a Feistel network of good round functions a strong pseudorandom permutation
// (Luby and Rackoff, 1988); minHalf keeps the network's domain at 256 or more, since on a few bits it cannot reach
// all orders of a small set.
const (
	rounds  = 8
	minHalf = 4
)

// newPermutation is the permutation of [0, n) that the numbers of a source pick; n > 0.
func newPermutation(n int, keys source) permutation {
	p := permutation{n: uint64(n), half: max(minHalf, uint(bits.Len64(uint64(n-1))+1)/2)}
	for r := range p.keys {
		p.keys[r] = keys.next()
	}
	return p
}

// at is the image of i, 0 <= i < n.
func (p *permutation) at(i uint64) uint64 {
	mask := uint64(1)<<p.half - 1
	for {
		left, right := i>>p.half, i&mask
		for _, key := range p.keys {
			left, right = right, left^(mix(right+key)&mask)
		}
		if i = left<<p.half | right; i < p.n {
			return i
		}
	}
}
