package dataset

import "math"

// Archimedean spirals of one and a half turns that end at radius 1; spiralNoise is a sixth of the distance between them.
const (
	spiralAngle = 3 * math.Pi
	spiralNoise = 0.05
)

// spiral draws row i of two interleaved spirals, class c = i mod 2 being the one turned by c half turns:
//
//	r (cos(a + pi c), sin(a + pi c)) + noise,   a = 3 pi sqrt(u),   r = a / 3 pi,   u uniform
//
// so that points lie evenly along the arms.
func spiral(s *source, i int) (x, y float64, class int32) {
	class = int32(i % 2)
	r := math.Sqrt(s.uniform())
	x, y = polar(s, r, spiralAngle*r+math.Pi*float64(class), spiralNoise)
	return x, y, class
}
