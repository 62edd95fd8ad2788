package dataset

import "math"

// source is the generator SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014):
// a counter that steps by the golden ratio, behind a bijection that scatters its bits. Its numbers are fixed by this
// file alone, so that data and order stay what they are whatever the toolchain.
type source uint64

// golden is 2^64 divided by the golden ratio, made odd.
const golden = 0x9e3779b97f4a7c15

// First words of the sources, so that no two uses of a seed share their numbers.
const (
	streamShuffle = 1 // the order of an epoch
	streamRows    = 2 // generated rows
	streamSplit   = 3 // which rows are a split
	streamAugment = 4 // how a picture is changed
	streamChoice  = 5 // which rows of a split are used
)

// mix is SplitMix64's bijection of the 64-bit numbers (Stafford's variant 13).
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// newSource is the source of a sequence of words, different for every sequence and every order.
func newSource(words ...uint64) source {
	var state uint64
	for _, word := range words {
		state = mix(state + word + golden)
	}
	return source(state)
}

// next is the next 64 random bits.
func (s *source) next() uint64 {
	*s += golden
	return mix(uint64(*s))
}

// uniform is the next number of [0, 1), a multiple of 2^-53.
func (s *source) uniform() float64 { return float64(s.next()>>11) / (1 << 53) }

// normal is the next standard normal number (Box and Muller, 1958): sqrt(-2 log(1-u)) cos(2 pi v).
func (s *source) normal() float64 {
	u, v := s.uniform(), s.uniform()
	return math.Sqrt(-2*math.Log(1-u)) * math.Cos(2*math.Pi*v)
}
