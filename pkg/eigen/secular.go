package eigen

import (
	"math"
	"sync/atomic"
)

// secularEigenvectors solves D + rho z z^T for ascending poles d [k], nonzero weights z [k] and rho > 0. Its
// eigenvalues are the roots of
//
//	f(x) = 1/rho + sum_i z_i^2 / (d_i - x)
//
// one above each pole, written to values [k]. Row j of vectors [k, k] becomes the normalised eigenvector of root j,
// its component i at column position[i]: z^_i / (d_i - x_j), where z^ is the vector for which the computed roots are
// exact (Gu and Eisenstat 1994), so that the vectors are orthogonal however close the roots are.
func secularEigenvectors(rho float64, d, z, values, vectors []float64, position []int, threads int) error {
	k := len(d)
	const rows = 16 // of work for one goroutine
	chunks := (k + rows - 1) / rows
	var diverged atomic.Bool
	split(chunks, threads, func(chunk int) {
		for j := chunk * rows; j < min(chunk*rows+rows, k); j++ {
			var ok bool
			values[j], ok = secularRoot(j, rho, d, z, vectors[j*k:j*k+k])
			if !ok {
				diverged.Store(true)
			}
		}
	})
	if diverged.Load() {
		return ErrNoConvergence
	}
	// z^_i^2 = prod_j (x_j - d_i) / prod_{j != i} (d_j - d_i), up to a common factor (Loewner)
	exact := make([]float64, k)
	split(chunks, threads, func(chunk int) {
		lo, hi := chunk*rows, min(chunk*rows+rows, k)
		for i := lo; i < hi; i++ {
			exact[i] = vectors[i*k+i]
		}
		for j := range d {
			row := vectors[j*k : j*k+k]
			for i := lo; i < hi; i++ {
				if i != j {
					exact[i] *= row[i] / (d[i] - d[j])
				}
			}
		}
		for i := lo; i < hi; i++ {
			exact[i] = math.Copysign(math.Sqrt(math.Abs(exact[i])), z[i])
		}
	})
	split(chunks, threads, func(chunk int) {
		var line []float64
		for j := chunk * rows; j < min(chunk*rows+rows, k); j++ {
			row := vectors[j*k : j*k+k]
			line = append(line[:0], row...)
			for i := range line {
				line[i] = exact[i] / line[i]
			}
			scale := 1 / math.Sqrt(dot(line, line))
			for i, v := range line {
				row[position[i]] = v * scale
			}
		}
	})
	return nil
}

// secularRoot finds the root between d_j and d_{j+1}, or above the last pole. It writes d_i - x for all i into
// distance, each to full relative accuracy: x is kept as its offset from the nearer pole.
//
// Each step replaces f by c + s / (d_j - x) + S / (d_{j+1} - x) with the values and slopes of f's parts below and
// above x ("the middle way", R.-C. Li, LAPACK working note 89), and falls back to bisection outside the bracket or
// where the step before did not halve |f|.
func secularRoot(j int, rho float64, d, z, distance []float64) (x float64, ok bool) {
	k := len(d)
	if k == 1 {
		distance[0] = -rho * z[0] * z[0]
		return d[0] - distance[0], true
	}
	s := secular{rho: rho, z: z, poles: distance, left: min(j, k-2)}
	origin, lo, hi, offset := s.start(j, d)
	before, previous := math.Inf(1), math.NaN()
	for step := 0; step < 400; step++ {
		f, size := s.evaluate(j, offset)
		if math.Abs(f) <= 4*epsilon*size || offset == previous {
			for i := range distance {
				distance[i] -= offset
			}
			return d[origin] + offset, true
		}
		if f < 0 {
			lo = offset
		} else {
			hi = offset
		}
		next := offset + s.step(j == k-1, f, offset)
		if !(next > lo && next < hi) || math.Abs(f) > before/2 {
			next = middle(lo, hi)
		}
		before, previous, offset = math.Abs(f), offset, next
	}
	return 0, false
}

// secular is f around one origin: poles are d_i - d_origin, left and left+1 the two that the root lies between or, for
// the last root, above. The sums of the last evaluation are split between them.
type secular struct {
	rho                   float64
	z, poles              []float64
	left                  int
	slopeBelow, slopeHere float64
}

// start chooses the nearer pole as the origin, sets poles, and returns a bracket and a first guess inside it: the
// root with all but the two neighbouring terms of f frozen at the bracket's middle.
func (s *secular) start(j int, d []float64) (origin int, lo, hi, guess float64) {
	k := len(d)
	norm := dot(s.z, s.z)
	gap := s.rho * norm
	if j < k-1 {
		gap = d[j+1] - d[j]
	}
	for i := range d {
		s.poles[i] = d[i] - d[j]
	}
	half := gap / 2
	f, _ := s.evaluate(j, half)
	origin, lo, hi = j, 0, half
	switch {
	case f >= 0:
	case j < k-1:
		origin, lo, hi = j+1, -half, 0
		for i := range d {
			s.poles[i] = d[i] - d[origin]
		}
		half = -half
	default:
		lo, hi = half, gap*(1+4*epsilon)
	}
	p, q := s.poles[s.left], s.poles[s.left+1]
	zp, zq := s.z[s.left]*s.z[s.left], s.z[s.left+1]*s.z[s.left+1]
	c := f - zp/(p-half) - zq/(q-half)
	guess = quadratic(c, c*(p+q)+zp+zq, c*p*q+zp*q+zq*p, j == k-1)
	if !(guess > lo && guess < hi) {
		guess = (lo + hi) / 2
	}
	return origin, lo, hi, guess
}

// evaluate computes f at an offset from the origin and the sum of the magnitudes that went into it.
func (s *secular) evaluate(j int, offset float64) (f, size float64) {
	split := s.left + 1
	below, slopeBelow := 0.0, 0.0
	for i, p := range s.poles[:split] {
		t := s.z[i] / (p - offset)
		below += s.z[i] * t
		slopeBelow += t * t
	}
	above, slopeAbove := 0.0, 0.0
	for i := len(s.poles) - 1; i >= split; i-- {
		t := s.z[i] / (s.poles[i] - offset)
		above += s.z[i] * t
		slopeAbove += t * t
	}
	s.slopeBelow, s.slopeHere = slopeBelow, slopeAbove
	return 1/s.rho + below + above, 1/s.rho + math.Abs(below) + math.Abs(above)
}

// step is the distance from offset to the root of the three-term model of f.
func (s *secular) step(last bool, f, offset float64) float64 {
	p, q := s.poles[s.left]-offset, s.poles[s.left+1]-offset
	c := f - p*s.slopeBelow - q*s.slopeHere
	a := (p+q)*f - p*q*(s.slopeBelow+s.slopeHere)
	return quadratic(c, a, p*q*f, last)
}

// quadratic is the root of c x^2 - a x + b = 0 with the minus sign of the square root, or with the plus sign if last:
// the root of the model between its poles, or above both.
func quadratic(c, a, b float64, last bool) float64 {
	root := math.Sqrt(max(a*a-4*b*c, 0))
	if last {
		root = -root
	}
	if (a > 0) != last {
		return 2 * b / (a + root)
	}
	return (a - root) / (2 * c)
}

// middle bisects a bracket: geometrically where both ends have one sign, since a root may lie many orders of
// magnitude closer to the origin than the bracket's far end.
func middle(lo, hi float64) float64 {
	switch {
	case lo > 0:
		return math.Sqrt(lo) * math.Sqrt(hi)
	case hi < 0:
		return -math.Sqrt(-lo) * math.Sqrt(-hi)
	}
	return (lo + hi) / 2
}
