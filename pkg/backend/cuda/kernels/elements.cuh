// Linear combinations and products, element by element, and sums over elements.
#include "language.cuh"

// dst = (accumulate ? dst : 0) + sum_k c_k x_k over n numbers. dst may be any x.
KERNEL(combine, Floats dst, long n, int accumulate, int terms, TERMS, COEFFICIENTS) {
    const ConstFloats GATHER(x[16], x);
    const float GATHER(c[16], c);
    EACH(i, n) {
        float sum = accumulate ? dst[i] : 0.0f;
#pragma unroll
        for (int k = 0; k < 16; k++)
            if (k < terms) sum += c[k] * x[k][i];
        dst[i] = sum;
    }
}

// dst[s] = (accumulate ? dst[s] : 0) + sum_k coef[k][s] x_k[s] for each sample s of so many; n = samples size numbers. What has
// coefficient 0 is not read.
KERNEL(combineEach, Floats dst, long n, int size, int samples, int accumulate, ConstFloats coef, int terms, TERMS) {
    const ConstFloats GATHER(x[16], x);
    EACH(i, n) {
        const long sample = i / size;
        float sum = accumulate ? dst[i] : 0.0f;
#pragma unroll
        for (int k = 0; k < 16; k++)
            if (k < terms) {
                const float c = coef[k * (long)samples + sample];
                if (c != 0.0f) sum += c * x[k][i];
            }
        dst[i] = sum;
    }
}

// dst_i = x_i y_(i mod period) over n numbers.
KERNEL(multiply, Floats dst, long n, ConstFloats x, ConstFloats y, long period) {
    EACH(i, n) dst[i] = x[i] * y[i % period];
}

// addOfBlock is the sum of v over the threads of a block, for thread 0; blockDim.x is a power of 2.
__device__ inline double addOfBlock(double v) {
    __shared__ double sums[256];
    sums[threadIdx.x] = v;
    __syncthreads();
    for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
        __syncthreads();
    }
    return sums[0];
}

// Block (sample, slice) writes sums[slice][sample], the sum over elements slice length to (slice + 1) length of the sample of
// (e / (atol + rtol max(|y0|, |y1|)))^2, e = sum_k c_k x_k.
KERNEL(scaledSquares, Doubles sums, long size, long length, ConstFloats y0, ConstFloats y1, float atol, float rtol, int terms,
       TERMS, COEFFICIENTS) {
    const ConstFloats GATHER(x[16], x);
    const float GATHER(c[16], c);
    const long first = blockIdx.x * size, end = min(size, (blockIdx.y + 1) * length);
    double sum = 0;
    for (long d = blockIdx.y * length + threadIdx.x; d < end; d += blockDim.x) {
        float e = 0;
#pragma unroll
        for (int k = 0; k < 16; k++)
            if (k < terms) e += c[k] * x[k][first + d];
        const float a = fabsf(y0[first + d]), b = fabsf(y1[first + d]);
        const float larger = a > b || a != a ? a : b; // NaN stays NaN
        const float ratio = e / (atol + rtol * larger);
        sum += (double)ratio * ratio;
    }
    sum = addOfBlock(sum);
    if (threadIdx.x == 0) sums[blockIdx.y * (long)gridDim.x + blockIdx.x] = sum;
}

// Block (sample, slice) writes sums[slice][sample] of x y likewise; y of a sample begins stride numbers after the one before, 0
// for an image.
KERNEL(dotProduct, Doubles sums, long size, long length, ConstFloats x, ConstFloats y, long stride) {
    const long end = min(size, (blockIdx.y + 1) * length);
    double sum = 0;
    for (long d = blockIdx.y * length + threadIdx.x; d < end; d += blockDim.x)
        sum += (double)x[blockIdx.x * size + d] * y[blockIdx.x * stride + d];
    sum = addOfBlock(sum);
    if (threadIdx.x == 0) sums[blockIdx.y * (long)gridDim.x + blockIdx.x] = sum;
}
