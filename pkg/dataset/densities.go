package dataset

import "math"

// The densities of the plane on which the literature tries flows, with the sizes and noises of FFJORD's published code
// (Grathwohl et al., "FFJORD: free-form continuous dynamics for scalable reversible generative models", 2019). Where a
// density is a mixture of equal parts, rows take its parts in turn. None has classes. Below u and v are uniform in
// [0, 1), n and m standard normal, new for every row.

// circles are two circles about 0:
//
//	3 (r (cos a, sin a) + 0.08 (n, m)),   r = 1 or 1/2,   a = 2 pi u
func circles(s *source, i int) (x, y float64, class int32) {
	x, y = polar(s, 3/float64(1+i%2), 2*math.Pi*s.uniform(), 3*0.08)
	return x, y, unlabelled
}

// rings are four circles about 0:
//
//	3 r (cos a, sin a) + 0.08 (n, m),   r = 1/4, 1/2, 3/4 or 1,   a = 2 pi u
func rings(s *source, i int) (x, y float64, class int32) {
	x, y = polar(s, 3*float64(1+i%4)/4, 2*math.Pi*s.uniform(), 0.08)
	return x, y, unlabelled
}

// moons are two half circles that reach into each other:
//
//	2 (p + 0.1 (n, m)) - (1, 0.2),   p = (cos a, sin a) or (1 - cos a, 1/2 - sin a),   a = pi u
func moons(s *source, i int) (x, y float64, class int32) {
	x, y = polar(s, 1, math.Pi*s.uniform(), 0)
	if i%2 == 1 {
		x, y = 1-x, 0.5-y
	}
	return 2*(x+0.1*s.normal()) - 1, 2*(y+0.1*s.normal()) - 0.2, unlabelled
}

// eightGaussians are eight of them on a circle:
//
//	(4 (cos a, sin a) + 0.5 (n, m)) / 1.414,   a = k pi/4,   k = 0 ... 7
func eightGaussians(s *source, i int) (x, y float64, class int32) {
	x, y = polar(s, 4, float64(i%8)*math.Pi/4, 0.5)
	return x / 1.414, y / 1.414, unlabelled
}

// pinwheel is five bent arms, each a long Gaussian q = (1 + 0.3 n, 0.1 m) turned back by an angle that grows with the
// distance:
//
//	2 (q1 cos a + q2 sin a, q2 cos a - q1 sin a),   a = 2 pi k/5 + exp(q1) / 4,   k = 0 ... 4
func pinwheel(s *source, i int) (x, y float64, class int32) {
	q1, q2 := 1+0.3*s.normal(), 0.1*s.normal()
	sin, cos := math.Sincos(2*math.Pi*float64(i%5)/5 + math.Exp(q1)/4)
	return 2 * (q1*cos + q2*sin), 2 * (q2*cos - q1*sin), unlabelled
}

// twoSpirals are two interleaved arms of one and a half turns, the second the first turned by half a turn:
//
//	± (w/2 - a cos a, w'/2 + a sin a) / 3 + 0.1 (n, m),   a = 3 pi sqrt(u),   w and w' uniform
func twoSpirals(s *source, i int) (x, y float64, class int32) {
	a := 3 * math.Pi * math.Sqrt(s.uniform())
	sign := float64(1 - 2*(i%2))
	x = sign * (s.uniform()/2 - a*math.Cos(a)) / 3
	y = sign * (s.uniform()/2 + a*math.Sin(a)) / 3
	return x + 0.1*s.normal(), y + 0.1*s.normal(), unlabelled
}

// swissRoll is one spiral of one and a half turns:
//
//	(a (cos a, sin a) + (n, m)) / 5,   a = 3/2 pi (1 + 2u)
func swissRoll(s *source, i int) (x, y float64, class int32) {
	a := 1.5 * math.Pi * (1 + 2*s.uniform())
	x, y = polar(s, a, a, 1)
	return x / 5, y / 5, unlabelled
}

// checkerboard is the eight black squares of a board of 4 x 4 between -4 and 4:
//
//	2 (a, v + floor(a) mod 2 - 2 b),   a = 4 u - 2,   b = 0 or 1
func checkerboard(s *source, i int) (x, y float64, class int32) {
	a := 4*s.uniform() - 2
	b := s.uniform() - 2*float64(i%2)
	if int(math.Floor(a))%2 != 0 {
		b++
	}
	return 2 * a, 2 * b, unlabelled
}
