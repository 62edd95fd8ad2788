package cpu

import (
	"math"

	"odepipe/pkg/backend"
)

// activations are the functions and their first two derivatives in float32, by backend.Activation. Each is written with the
// exponential of a number that is not positive, so nothing overflows, and without the difference of near numbers. The vectorised
// kernels use the same formulas and constants; both stay within four units in the last place. GELU alone goes by way
// of float64.
var activations = [...]struct{ value, slope, curvature func(float32) float32 }{
	backend.ReLU:     {relu, reluSlope, func(float32) float32 { return 0 }},
	backend.Tanh:     {tanh, tanhSlope, tanhCurvature},
	backend.Softplus: {softplus, sigmoid, sigmoidSlope},
	backend.Sigmoid:  {sigmoid, sigmoidSlope, sigmoidCurvature},
	backend.GELU:     {gelu, geluSlope, geluCurvature},
	backend.SiLU:     {silu, siluSlope, siluCurvature},
	backend.ELU:      {elu, eluSlope, eluCurvature},
}

func abs(x float32) float32 { return math.Float32frombits(math.Float32bits(x) &^ (1 << 31)) }

const (
	log2e    = 1.44269504088896341
	ln2high  = 0.693359375    // 9 bits, so that n ln2high is exact
	ln2low   = -2.12194440e-4 // log 2 - ln2high
	lowest   = -87            // e^-87 is still a normal number
	roundAdd = 3 << 22        // adding and taking it away rounds to an integer
)

// expParts splits e^y, y <= 0, into scale (1 + rest): scale = 2^n and rest = e^r - 1, |r| <= log(2)/2, by the Taylor
// polynomial of degree 7. Below lowest, y counts as lowest.
func expParts(y float32) (scale, rest float32) {
	if y < lowest {
		y = lowest
	}
	n := float32(y*log2e+roundAdd) - roundAdd
	r := y - n*ln2high - n*ln2low
	p := float32(1.0 / 5040)
	p = p*r + 1.0/720
	p = p*r + 1.0/120
	p = p*r + 1.0/24
	p = p*r + 1.0/6
	p = p*r + 0.5
	return math.Float32frombits(uint32(int32(n)+127) << 23), p*(r*r) + r
}

// expNegative is e^y for y <= 0.
func expNegative(y float32) float32 {
	scale, rest := expParts(y)
	return scale*rest + scale
}

// expm1Negative is e^y - 1 for y <= 0.
func expm1Negative(y float32) float32 {
	scale, rest := expParts(y)
	return scale*rest + (scale - 1)
}

// expBoth is e^y and e^y - 1 for y <= 0.
func expBoth(y float32) (e, m float32) {
	scale, rest := expParts(y)
	return scale*rest + scale, scale*rest + (scale - 1)
}

// withSign is |v| with the sign of x.
func withSign(v, x float32) float32 { return float32(math.Copysign(float64(v), float64(x))) }

func relu(x float32) float32 {
	if x <= 0 {
		return 0
	}
	return x
}

func reluSlope(x float32) float32 {
	if x > 0 {
		return 1
	}
	return 0
}

// tanh |x| = -m / (2 + m), m = e^(-2|x|) - 1.
func tanh(x float32) float32 {
	m := expm1Negative(-2 * abs(x))
	return withSign(m/(2+m), x)
}

// tanhSlope is 1 - tanh^2 = 4 e / (1 + e)^2, e = e^(-2|x|).
func tanhSlope(x float32) float32 {
	e := expNegative(-2 * abs(x))
	return 4 * e / ((1 + e) * (1 + e))
}

// tanhCurvature is -2 tanh tanh' = 8 m e / (1 + e)^3 for x > 0 and odd, e and m as above.
func tanhCurvature(x float32) float32 {
	e, m := expBoth(-2 * abs(x))
	return withSign(8*m*e/((1+e)*(1+e)*(1+e)), -x)
}

// sigmoids is the pair of sigmoid(x) and 1 - sigmoid(x) = sigmoid(-x).
func sigmoids(x float32) (at, opposite float32) {
	e := expNegative(-abs(x))
	at, opposite = 1/(1+e), e/(1+e)
	if x < 0 {
		return opposite, at
	}
	return at, opposite
}

func sigmoid(x float32) float32 {
	s, _ := sigmoids(x)
	return s
}

func sigmoidSlope(x float32) float32 {
	s, opposite := sigmoids(x)
	return s * opposite
}

// sigmoidCurvature is s' (1 - 2 s) = m e / (1 + e)^3 for x > 0 and odd, e = e^-|x| and m = e - 1.
func sigmoidCurvature(x float32) float32 {
	e, m := expBoth(-abs(x))
	return withSign(m*e/((1+e)*(1+e)*(1+e)), -x)
}

// softplus x = max(x, 0) + log(1 + e), e = e^-|x|, and log(1 + e) = 2 artanh(e / (2 + e)), the argument being at most 1/3.
func softplus(x float32) float32 {
	e := expNegative(-abs(x))
	z := e / (2 + e)
	q := z * z
	p := float32(1.0 / 13)
	p = p*q + 1.0/11
	p = p*q + 1.0/9
	p = p*q + 1.0/7
	p = p*q + 1.0/5
	p = p*q + 1.0/3
	p = p*q + 1
	return relu(x) + 2*z*p
}

func silu(x float32) float32 { return x * sigmoid(x) }

func siluSlope(x float32) float32 {
	s, opposite := sigmoids(x)
	return s + x*s*opposite
}

// siluCurvature is s' (2 + x (1 - 2 s)) = e / (1 + e)^2 (2 + |x| m / (1 + e)), e and m as in sigmoidCurvature.
func siluCurvature(x float32) float32 {
	e, m := expBoth(-abs(x))
	return e / ((1 + e) * (1 + e)) * (2 + abs(x)*m/(1+e))
}

func elu(x float32) float32 {
	if x > 0 {
		return x
	}
	return expm1Negative(x)
}

func eluSlope(x float32) float32 {
	if x > 0 {
		return 1
	}
	return expNegative(x)
}

func eluCurvature(x float32) float32 {
	if x > 0 {
		return 0
	}
	return expNegative(x)
}

// normal is the normal distribution function.
func normal(x float64) float64 { return 0.5 * math.Erfc(-x/math.Sqrt2) }

// density is that of the normal distribution.
func density(x float64) float64 { return math.Exp(-x*x/2) / math.Sqrt(2*math.Pi) }

func gelu(x float32) float32 { return float32(float64(x) * normal(float64(x))) }

func geluSlope(x float32) float32 {
	y := float64(x)
	return float32(normal(y) + y*density(y))
}

func geluCurvature(x float32) float32 {
	y := float64(x)
	return float32((2 - y*y) * density(y))
}
