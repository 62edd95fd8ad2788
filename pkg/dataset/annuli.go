package dataset

import "math"

// annuliRadii are the inner and outer radius of each class: a gap of 0.5 lies between the two.
var annuliRadii = [2][2]float64{{0.5, 1}, {1.5, 2}}

// annulus draws row i of two concentric annuli, class i mod 2, evenly over its area: r^2 is uniform between the squares
// of the radii. A flow of the plane cannot pull the two apart (Dupont et al., "Augmented neural ODEs", 2019).
func annulus(s *source, i int) (x, y float64, class int32) {
	class = int32(i % 2)
	inner, outer := annuliRadii[class][0], annuliRadii[class][1]
	r := math.Sqrt(inner*inner + s.uniform()*(outer*outer-inner*inner))
	x, y = polar(s, r, 2*math.Pi*s.uniform(), 0)
	return x, y, class
}
