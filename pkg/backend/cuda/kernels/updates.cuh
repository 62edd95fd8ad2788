// The element-wise steps of optimizers.
#include "language.cuh"

// s = keep s + gain g^2, then g = g / (s + eps).
KERNEL(eigenScale, Floats g, Floats s, long n, float keep, float gain, float eps) {
    EACH(i, n) {
        const float scale = keep * s[i] + gain * g[i] * g[i];
        s[i] = scale;
        g[i] /= scale + eps;
    }
}

// m = beta1 m + rest1 g, v = beta2 v + rest2 g^2, p -= rate m / (root sqrt(v) + eps).
KERNEL(adamStep, Floats p, Floats m, Floats v, ConstFloats g, long n, float beta1, float rest1, float beta2, float rest2, float rate,
       float root, float eps) {
    EACH(i, n) {
        const float mean = beta1 * m[i] + rest1 * g[i], square = beta2 * v[i] + rest2 * g[i] * g[i];
        m[i] = mean;
        v[i] = square;
        p[i] -= rate * mean / (root * sqrtf(square) + eps);
    }
}
