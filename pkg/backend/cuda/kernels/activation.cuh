// Activations and their derivatives, numbered as backend.Activation is. Each is written with the exponential of a number that is
// not positive, so nothing overflows, and without the difference of near numbers.
#include "language.cuh"

enum { RELU, TANH, SOFTPLUS, SIGMOID, GELU, SILU, ELU };

// sigmoid(x); sigmoid(-x) is 1 - sigmoid(x).
__device__ inline float sigmoid(float x) {
    const float e = expf(-fabsf(x));
    return (x < 0 ? e : 1.0f) / (1 + e);
}

// The normal distribution function and its density.
__device__ inline float normal(float x) { return 0.5f * erfcf(-x * 0.70710678118654752f); }
__device__ inline float density(float x) { return 0.39894228040143268f * expf(-0.5f * x * x); }

__device__ inline float relu(float x) { return x <= 0 ? 0.0f : x; } // NaN stays NaN

__device__ inline float valueOf(int a, float x) {
    switch (a) {
    case RELU: return relu(x);
    case TANH: return tanhf(x);
    case SOFTPLUS: return relu(x) + log1pf(expf(-fabsf(x)));
    case SIGMOID: return sigmoid(x);
    case GELU: return x * normal(x);
    case SILU: return x * sigmoid(x);
    default: return x > 0 ? x : expm1f(x);
    }
}

__device__ inline float slopeOf(int a, float x) {
    switch (a) {
    case RELU: return x > 0 ? 1.0f : 0.0f;
    case TANH: return 4 * sigmoid(2 * x) * sigmoid(-2 * x);
    case SOFTPLUS: return sigmoid(x);
    case SIGMOID: return sigmoid(x) * sigmoid(-x);
    case GELU: return normal(x) + x * density(x);
    case SILU: return sigmoid(x) * (1 + x * sigmoid(-x));
    default: return x > 0 ? 1.0f : expf(x);
    }
}

// 1 - 2 sigmoid(x) = -tanh(x / 2).
__device__ inline float curvatureOf(int a, float x) {
    switch (a) {
    case RELU: return 0;
    case TANH: return -8 * tanhf(x) * sigmoid(2 * x) * sigmoid(-2 * x);
    case SOFTPLUS: return sigmoid(x) * sigmoid(-x);
    case SIGMOID: return -sigmoid(x) * sigmoid(-x) * tanhf(0.5f * x);
    case GELU: return (2 - x * x) * density(x);
    case SILU: return sigmoid(x) * sigmoid(-x) * (2 - x * tanhf(0.5f * x));
    default: return x > 0 ? 0.0f : expf(x);
    }
}

// dst = sigma(x).
KERNEL(activate, Floats dst, long n, int a, ConstFloats x) { EACH(i, n) dst[i] = valueOf(a, x[i]); }

// dx = dy sigma'(x).
KERNEL(activateGrad, Floats dx, long n, int a, ConstFloats dy, ConstFloats x) { EACH(i, n) dx[i] = dy[i] * slopeOf(a, x[i]); }

// dx += dy v sigma''(x).
KERNEL(activateGrad2, Floats dx, long n, int a, ConstFloats dy, ConstFloats v, ConstFloats x) {
    EACH(i, n) dx[i] += dy[i] * v[i] * curvatureOf(a, x[i]);
}
