// Between a batch and an image, and the order of features.
#include "language.cuh"

// Block (32 features, slice) writes dst[slice][d] = sum_n w_n x[n][d] over samples slice length to (slice + 1) length, w_n being
// weight[n], or w where there is no list.
KERNEL(sumBatch, Floats dst, long size, int samples, int length, ConstFloats x, ConstFloats weight, float w) {
    __shared__ double sums[256];
    const long d = blockIdx.x * 32L + threadIdx.x % 32;
    const int end = min(samples, (int)((blockIdx.y + 1) * length));
    double sum = 0;
    if (d < size)
        for (int n = blockIdx.y * length + threadIdx.x / 32; n < end; n += 8)
            sum += (double)(weight ? weight[n] : w) * x[n * size + d];
    sums[threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.x < 32 && d < size) {
        for (int group = 1; group < 8; group++) sum += sums[group * 32 + threadIdx.x];
        dst[blockIdx.y * size + d] = sum;
    }
}

// y[n] += c_n image over samples of size numbers, n of them in all, c_n being coef[n], or c where there is no list.
KERNEL(addImages, Floats y, long n, int size, ConstFloats coef, float c, ConstFloats image) {
    EACH(i, n) y[i] += (coef ? coef[i / size] : c) * image[i % size];
}

// dst[r][offset + c] = sum of the slices of x[slice][r][c], plus image at (r cols + c) mod period, if there is one. Rows of dst
// are pitch numbers long.
KERNEL(fold, Floats dst, int rows, int cols, int pitch, int offset, ConstFloats x, int slices, ConstFloats image, long period) {
    const long n = rows * (long)cols;
    EACH(i, n) {
        float sum = 0;
        for (int k = 0; k < slices; k++) sum += x[k * n + i];
        if (image) sum += image[i % period];
        dst[i / cols * pitch + offset + i % cols] = sum;
    }
}

// Every matrix [p][q] of x is written as its transpose [q][p], n numbers in all.
KERNEL(transposeEach, Floats dst, long n, int p, int q, ConstFloats x) {
    EACH(i, n) {
        const long first = i / (p * (long)q) * (p * (long)q);
        const int at = i % (p * (long)q);
        dst[i] = x[first + at % p * (long)q + at / p];
    }
}

// Features firstX, ... of samples of sizeX numbers become features firstDst, ... of samples of sizeDst; count of each, n in all.
KERNEL(copyFeatures, Floats dst, long n, int count, int sizeDst, int firstDst, ConstFloats x, int sizeX, int firstX) {
    EACH(i, n) dst[i / count * sizeDst + firstDst + i % count] = x[i / count * sizeX + firstX + i % count];
}

// dst [h/k][w/k][c] of each sample are the means of the windows of x [h][w][c]; n numbers of dst in all.
KERNEL(avgPool, Floats dst, long n, ConstFloats x, int k, int h, int w, int c) {
    const int oh = h / k, ow = w / k;
    EACH(i, n) {
        const int o = i % c, column = i / c % ow, row = i / c / ow % oh;
        const long sample = i / c / ow / oh;
        float sum = 0;
        for (int u = 0; u < k; u++)
            for (int v = 0; v < k; v++) sum += x[((sample * h + row * k + u) * w + column * k + v) * c + o];
        dst[i] = sum / (k * k);
    }
}

// dx [h][w][c] of each sample is dy / k^2 of its window, 0 where there is none; n numbers of dx in all.
KERNEL(avgPoolGrad, Floats dx, long n, ConstFloats dy, int k, int h, int w, int c) {
    const int oh = h / k, ow = w / k;
    EACH(i, n) {
        const int o = i % c, column = i / c % w / k, row = i / c / w % h / k;
        const long sample = i / c / w / h;
        dx[i] = row < oh && column < ow ? dy[((sample * oh + row) * ow + column) * c + o] / (k * k) : 0.0f;
    }
}
