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
		return normal(x) + x*math.Exp(-x*x/2)/math.Sqrt(2*math.Pi)
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

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// normal is the distribution function of the standard normal distribution.
func normal(x float64) float64 { return math.Erfc(-x/math.Sqrt2) / 2 }
