package dataset

import "math"

// The radii and the noise of Chen et al., "Neural ordinary differential equations" (2018), as in torchdiffeq's
// examples/cnf.py: make_circles(factor=0.5, noise=0.06).
var circleRadii = [2]float64{1, 0.5}

const circleNoise = 0.06

// circle draws row i of the density "circles": a point of one of two circles, in turn, at a uniform angle, moved by
// normal noise. It has no class.
func circle(s *source, i int) (x, y float64, class int32) {
	x, y = polar(s, circleRadii[i%2], 2*math.Pi*s.uniform(), circleNoise)
	return x, y, unlabelled
}
