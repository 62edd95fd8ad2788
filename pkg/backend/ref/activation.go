package ref

import (
	"math"

	"odepipe/pkg/backend"
	"odepipe/pkg/tensor"
)

// Activate writes dst = sigma(x).
func (*Backend) Activate(dst tensor.T, a backend.Activation, x tensor.T) {
	out, in := numbers(dst), numbers(x)
	mustMatch(len(out), len(in))
	for i, v := range in {
		out[i] = value(a, v)
	}
}

// ActivateGrad writes dx = dy sigma'(x).
func (*Backend) ActivateGrad(dx tensor.T, a backend.Activation, dy, x tensor.T) {
	out, cotangent, in := numbers(dx), numbers(dy), numbers(x)
	mustMatch(len(out), len(in))
	mustMatch(len(out), len(cotangent))
	for i, v := range in {
		out[i] = cotangent[i] * slope(a, v)
	}
}

// ActivateGrad2 adds dx += dy v sigma”(x).
func (*Backend) ActivateGrad2(dx tensor.T, a backend.Activation, dy, v, x tensor.T) {
	out, cotangent, tangent, in := numbers(dx), numbers(dy), numbers(v), numbers(x)
	mustMatch(len(out), len(in))
	mustMatch(len(out), len(cotangent))
	mustMatch(len(out), len(tangent))
	for i, at := range in {
		out[i] += cotangent[i] * tangent[i] * curvature(a, at)
	}
}

// value is sigma(x), in forms that do not overflow.
func value(a backend.Activation, x float64) float64 {
	switch a {
	case backend.ReLU:
		return max(x, 0)
	case backend.Tanh:
		return math.Tanh(x)
	case backend.Softplus:
		return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x)))
	case backend.Sigmoid:
		return sigmoid(x)
	case backend.GELU:
		return x * normal(x)
	case backend.SiLU:
		return x * sigmoid(x)
	case backend.ELU:
		if x > 0 {
			return x
		}
		return math.Expm1(x)
	}
	panic("ref: unknown activation")
}

// slope is sigma'(x).
func slope(a backend.Activation, x float64) float64 {
	switch a {
	case backend.ReLU:
		if x <= 0 {
			return 0
		}
		return 1
	case backend.Tanh:
		y := math.Tanh(x)
		return 1 - y*y
	case backend.Softplus:
		return sigmoid(x)
	case backend.Sigmoid:
		return sigmoid(x) * sigmoid(-x)
	case backend.GELU: // Phi(x) + x phi(x)
		return normal(x) + x*density(x)
	case backend.SiLU:
		return sigmoid(x) * (1 + x*sigmoid(-x))
	case backend.ELU:
		if x > 0 {
			return 1
		}
		return math.Exp(x)
	}
	panic("ref: unknown activation")
}

// curvature is sigma”(x).
func curvature(a backend.Activation, x float64) float64 {
	switch a {
	case backend.ReLU:
		return 0
	case backend.Tanh:
		y := math.Tanh(x)
		return -2 * y * (1 - y*y)
	case backend.Softplus:
		return sigmoid(x) * sigmoid(-x)
	case backend.Sigmoid: // s' (1 - 2 s)
		return sigmoid(x) * sigmoid(-x) * (sigmoid(-x) - sigmoid(x))
	case backend.GELU:
		return (2 - x*x) * density(x)
	case backend.SiLU: // s' (2 + x (1 - 2 s))
		return sigmoid(x) * sigmoid(-x) * (2 + x*(sigmoid(-x)-sigmoid(x)))
	case backend.ELU:
		if x > 0 {
			return 0
		}
		return math.Exp(x)
	}
	panic("ref: unknown activation")
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// normal is the distribution function of the standard normal distribution.
func normal(x float64) float64 { return math.Erfc(-x/math.Sqrt2) / 2 }

// density is that of the standard normal distribution.
func density(x float64) float64 { return math.Exp(-x*x/2) / math.Sqrt(2*math.Pi) }
