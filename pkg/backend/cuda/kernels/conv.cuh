// Convolutions as products (product.cuh) whose operands are patches of images. Images lie [n][h][w][c], weights as PyTorch's,
// [o][channel][u][v], a time channel being channel 0.
#include "product.cuh"

// GEOMETRY declares the arguments that say what convolution it is; SHAPE collects them.
#define GEOMETRY \
    int n, int in, int out, int h, int w, int oh, int ow, int kernel, int stride, int padding, int time
#define SHAPE \
    { n, in, out, h, w, oh, ow, kernel, stride, padding, time }

struct Shape {
    int n, in, out, h, w, oh, ow, kernel, stride, padding, time;
    __device__ int area() const { return kernel * kernel; }
    __device__ int channels() const { return in + time; }
    __device__ int fanIn() const { return channels() * area(); }
    __device__ int pixels() const { return oh * ow; }
};

// Place is an output pixel of a sample, with the input pixel at the top left of its window.
struct Place {
    int n, row, col;
};

// Feature is an element of a patch: input channel c, or the time channel, or the constant 1, at (u, v) of the window.
struct Feature {
    int kind, u, v, c;
};
enum { CHANNEL, TIME, ONE };

// Patches has an element for each output pixel and feature. Features are the channels of x by (u, v, c), c fastest, then the time
// channel by (u, v), then the constant 1.
struct Patches {
    Shape s;
    ConstFloats x, times; // times of the samples, or none
    float t;              // of all samples
    __device__ Place place(int m) const {
        if (s.pixels() == 1) return {m, -s.padding, -s.padding};
        const int n = m / s.pixels(), pixel = m % s.pixels(), i = pixel / s.ow;
        return {n, i * s.stride - s.padding, (pixel - i * s.ow) * s.stride - s.padding};
    }
    __device__ Feature feature(int k) const {
        if (k < s.area() * s.in) {
            if (s.kernel == 1) return {CHANNEL, 0, 0, k};
            const int tap = k / s.in, u = tap / s.kernel;
            return {CHANNEL, u, tap - u * s.kernel, k - tap * s.in};
        }
        k -= s.area() * s.in;
        return {k < s.area() * s.time ? TIME : ONE, k / s.kernel, k % s.kernel, 0};
    }
    __device__ float at(Place p, Feature f) const {
        if (f.kind == ONE) return 1;
        const int row = p.row + f.u, col = p.col + f.v;
        if (row < 0 || row >= s.h || col < 0 || col >= s.w) return 0;
        if (f.kind == TIME) return times ? times[p.n] : t;
        return x[((p.n * (long)s.h + row) * s.w + col) * s.in + f.c];
    }
};

// Patches as an operand whose lines are output pixels.
struct PixelLines {
    Patches p;
    typedef Place Line;
    typedef Feature Step;
    static const bool bySteps = true;
    __device__ Line line(int m) const { return p.place(m); }
    __device__ Step step(int k) const { return p.feature(k); }
    __device__ float at(Line l, Step s) const { return p.at(l, s); }
};

// Patches as an operand whose lines are features.
struct FeatureLines {
    Patches p;
    typedef Feature Line;
    typedef Place Step;
    static const bool bySteps = false;
    __device__ Line line(int k) const { return p.feature(k); }
    __device__ Step step(int m) const { return p.place(m); }
    __device__ float at(Line l, Step s) const { return p.at(s, l); }
};

// Cotangents is the operand of the backward pass: lines are input pixels, steps (u, v, o) the output channels of the pixel that
// reads the input through the weights at (u, v).
struct Cotangents {
    Shape s;
    ConstFloats dy;
    typedef Place Line; // row and column are padded
    typedef Feature Step;
    static const bool bySteps = true;
    __device__ Line line(int m) const {
        const int n = m / (s.h * s.w), pixel = m % (s.h * s.w), row = pixel / s.w;
        return {n, row + s.padding, pixel - row * s.w + s.padding};
    }
    __device__ Step step(int k) const {
        const int tap = k / s.out, u = tap / s.kernel;
        return {CHANNEL, u, tap - u * s.kernel, k - tap * s.out};
    }
    __device__ float at(Line l, Step f) const {
        int i = l.row - f.u, j = l.col - f.v;
        if (i < 0 || j < 0) return 0;
        if (s.stride > 1) {
            if (i % s.stride || j % s.stride) return 0;
            i /= s.stride;
            j /= s.stride;
        }
        if (i >= s.oh || j >= s.ow) return 0;
        return dy[((l.n * (long)s.oh + i) * s.ow + j) * s.out + f.c];
    }
};

// dst [n oh ow][out] = patches of x times weight [patch][out], plus image [oh ow][out], if there is one.
KERNEL(convForward, Floats dst, ConstFloats x, ConstFloats weight, ConstFloats image, int length, GEOMETRY) {
    const Shape s = SHAPE;
    const PixelLines a = {{s, x, x, 0}};
    const Matrix<false> b = {weight, 1, s.out};
    const Rows target = {dst, n * s.pixels(), s.out, 0, image, s.pixels(), s.out};
    product(a, b, target, n * s.pixels(), s.out, s.area() * s.in, length);
}

// dx [n h w][in] = cotangents times weight [(u, v, o)][in].
KERNEL(convBackward, Floats dx, ConstFloats dy, ConstFloats weight, ConstFloats none, int length, GEOMETRY) {
    const Shape s = SHAPE;
    const Cotangents a = {s, dy};
    const Matrix<false> b = {weight, 1, s.in};
    const Rows target = {dx, n * s.h * s.w, s.in, 0, none, 1, s.in};
    product(a, b, target, n * s.h * s.w, s.in, s.area() * s.out, length);
}

// ofFeature is where feature k lies in the order [channel, u, v] of weights, time first, and a 1 last.
__device__ inline int ofFeature(const Shape &s, int k) {
    if (k < s.area() * s.in) return (s.time + k % s.in) * s.area() + k / s.in;
    k -= s.area() * s.in;
    return k < s.area() * s.time ? k : s.fanIn();
}

// Weights is a target in the order of weights, rows of pitch numbers.
struct Weights {
    Shape s;
    Floats p;
    int pitch;
    __device__ void put(int o, int k, float v) const { p[(blockIdx.z * (long)s.out + o) * pitch + ofFeature(s, k)] = v; }
};

// dw [out][fanIn] = dy^T patches, of the channels of x alone. Where there are several slices, time is 0 and pitch in area.
KERNEL(convGrad, Floats dw, ConstFloats dy, ConstFloats x, int pitch, int length, GEOMETRY) {
    const Shape s = SHAPE;
    const Matrix<false> a = {dy, 1, s.out};
    const FeatureLines b = {{s, x, x, 0}};
    const Weights target = {s, dw, pitch};
    product(a, b, target, s.out, s.area() * s.in, n * s.pixels(), length);
}

// Gram is a target of a symmetric matrix of all features, of which tiles on and above the diagonal are computed.
struct Gram {
    Shape s;
    Floats p;
    int size;
    __device__ void put(int row, int col, float v) const {
        const int i = ofFeature(s, row), j = ofFeature(s, col);
        p[(blockIdx.z * (long)size + i) * size + j] = v;
        if (blockIdx.x != blockIdx.y) p[(blockIdx.z * (long)size + j) * size + i] = v;
    }
};

// dst [size][size] = sum over pixels of z z^T, z being all size features of a patch.
KERNEL(patchGram, Floats dst, ConstFloats x, ConstFloats times, float t, int size, int length, GEOMETRY) {
    if (blockIdx.y < blockIdx.x) return;
    const Shape s = SHAPE;
    const FeatureLines z = {{s, x, times, t}};
    const Gram target = {s, dst, size};
    product(z, z, target, size, size, n * s.pixels(), length);
}

// Block (sample or samples) dw [n][out][channel][u][v] = sum over the pixels of dy (x) patch, count numbers in all.
KERNEL(convGradEach, Floats dw, long count, ConstFloats dy, ConstFloats x, ConstFloats times, float t, GEOMETRY) {
    const Shape s = SHAPE;
    const Patches patches = {s, x, times, t};
    EACH(i, count) {
        const int tap = i % s.area(), channel = i / s.area() % s.channels(), o = i / s.fanIn() % s.out;
        const long sample = i / s.fanIn() / s.out;
        const Feature f = {channel < s.time ? TIME : CHANNEL, tap / s.kernel, tap % s.kernel, channel - s.time};
        float sum = 0;
        for (int pixel = 0; pixel < s.pixels(); pixel++) {
            const long m = sample * s.pixels() + pixel;
            sum += dy[m * s.out + o] * patches.at(patches.place(m), f);
        }
        dw[i] = sum;
    }
}

// db [n][out] = sum over the pixels of dy, count numbers in all.
KERNEL(biasGradEach, Floats db, long count, ConstFloats dy, int out, int pixels) {
    EACH(i, count) {
        float sum = 0;
        for (int pixel = 0; pixel < pixels; pixel++) sum += dy[(i / out * pixels + pixel) * out + i % out];
        db[i] = sum;
    }
}

// forward [(u, v, c)][o] and backward [(u, v, o)][c] are the weight without its time channel, count numbers each.
KERNEL(packWeight, Floats forward, Floats backward, long count, ConstFloats weight, GEOMETRY) {
    const Shape s = SHAPE;
    EACH(i, count) {
        const int o = i % out, c = i / out % in, tap = i / out / in;
        const float v = weight[(o * (long)s.channels() + time + c) * s.area() + tap];
        forward[i] = v;
        backward[(tap * (long)out + o) * in + c] = v;
    }
}

// inside says whether the window of output pixel (i, j) is inside the image at (u, v).
__device__ inline bool inside(const Shape &s, int i, int j, int u, int v) {
    const int row = i * s.stride + u - s.padding, col = j * s.stride + v - s.padding;
    return 0 <= row && row < s.h && 0 <= col && col < s.w;
}

// dst [oh][ow][out] = bias[o] + t sum over (u, v) inside of weight[o][0][u][v].
KERNEL(biasImage, Floats dst, ConstFloats weight, ConstFloats bias, float t, GEOMETRY) {
    const Shape s = SHAPE;
    EACH(i, s.pixels() * (long)out) {
        const int o = i % out, pixel = i / out;
        float sum = 0;
        if (time)
            for (int u = 0; u < kernel; u++)
                for (int v = 0; v < kernel; v++)
                    if (inside(s, pixel / ow, pixel % ow, u, v)) sum += weight[o * (long)s.fanIn() + u * kernel + v];
        dst[i] = (bias ? bias[o] : 0.0f) + t * sum;
    }
}

// dw[o][0][u][v] = t sum over the pixels whose window is inside at (u, v) of gsum [oh][ow][out].
KERNEL(timeGrad, Floats dw, ConstFloats gsum, float t, GEOMETRY) {
    const Shape s = SHAPE;
    EACH(i, out * (long)s.area()) {
        const int o = i / s.area(), tap = i % s.area();
        float sum = 0;
        for (int pixel = 0; pixel < s.pixels(); pixel++)
            if (inside(s, pixel / ow, pixel % ow, tap / kernel, tap % kernel)) sum += gsum[pixel * (long)out + o];
        dw[o * (long)s.fanIn() + tap] = t * sum;
    }
}
