// One tiled product, C[i][j] = sum_k A(i, k) B(j, k), that everything affine is an instance of: what A and B are is said by
// operands, where C goes by a target. Nothing is copied into patches first.
//
// A block of 256 threads computes a tile of 64 x 64 numbers, each thread 4 x 4 of them, over 16 values of k at a time, which lie
// in shared memory; the next 16 are on their way in registers meanwhile. Blocks (tile of i, tile of j, slice of k).
//
// An operand has
//
//	Line line(int i)            what is common to all k of a line i
//	Step step(int k)            what is common to all lines of a step k
//	float at(Line, Step)        the element
//	static const bool bySteps   neighbours in memory are neighbours in k, else in i
//
// line and step are called for numbers out of range too; at is not.
#pragma once
#include "language.cuh"

enum { TILE = 64, DEPTH = 16, THREADS = 256, EACH_LOADS = TILE * DEPTH / THREADS };

// A matrix in memory.
template <bool BY_STEPS>
struct Matrix {
    ConstFloats p;
    int lineStride, stepStride;
    typedef long Line;
    typedef long Step;
    static const bool bySteps = BY_STEPS;
    __device__ Line line(int i) const { return i * (long)lineStride; }
    __device__ Step step(int k) const { return k * (long)stepStride; }
    __device__ float at(Line l, Step s) const { return p[l + s]; }
};

// Loader is the part of one thread in bringing lines of one operand into shared memory.
template <class O, bool BY_STEPS>
struct Loader;

// The threads of half a warp take neighbouring steps; each has one step of four lines.
template <class O>
struct Loader<O, true> {
    const O &operand;
    typename O::Line lines[EACH_LOADS];
    int first, count;
    float next[EACH_LOADS];

    __device__ Loader(const O &o, int tile, int count) : operand(o), first(tile * TILE + threadIdx.x / DEPTH), count(count) {
#pragma unroll
        for (int r = 0; r < EACH_LOADS; r++) lines[r] = operand.line(first + r * (THREADS / DEPTH));
    }
    __device__ void fetch(int k, int end) {
        k += threadIdx.x % DEPTH;
        const typename O::Step step = operand.step(k);
#pragma unroll
        for (int r = 0; r < EACH_LOADS; r++)
            next[r] = k < end && first + r * (THREADS / DEPTH) < count ? operand.at(lines[r], step) : 0.0f;
    }
    __device__ void put(float (*shared)[TILE + 4]) const {
#pragma unroll
        for (int r = 0; r < EACH_LOADS; r++) shared[threadIdx.x % DEPTH][threadIdx.x / DEPTH + r * (THREADS / DEPTH)] = next[r];
    }
};

// Neighbouring threads take neighbouring lines; each has four steps of one line.
template <class O>
struct Loader<O, false> {
    const O &operand;
    typename O::Line line;
    bool inside;
    float next[EACH_LOADS];

    __device__ Loader(const O &o, int tile, int count) : operand(o) {
        const int i = tile * TILE + threadIdx.x % TILE;
        line = operand.line(i);
        inside = i < count;
    }
    __device__ void fetch(int k, int end) {
        k += threadIdx.x / TILE;
#pragma unroll
        for (int r = 0; r < EACH_LOADS; r++, k += THREADS / TILE)
            next[r] = inside && k < end ? operand.at(line, operand.step(k)) : 0.0f;
    }
    __device__ void put(float (*shared)[TILE + 4]) const {
#pragma unroll
        for (int r = 0; r < EACH_LOADS; r++) shared[threadIdx.x / TILE + r * (THREADS / TILE)][threadIdx.x % TILE] = next[r];
    }
};

// product computes the tile of this block, lines i < rows of A and j < cols of B, over steps blockIdx.z length, ... below depth.
template <class A, class B, class T>
__device__ inline void product(const A &a, const B &b, const T &target, int rows, int cols, int depth, int length) {
    __shared__ __align__(16) float as[DEPTH][TILE + 4];
    __shared__ __align__(16) float bs[DEPTH][TILE + 4];
    Loader<A, A::bySteps> loadA(a, blockIdx.x, rows);
    Loader<B, B::bySteps> loadB(b, blockIdx.y, cols);
    const int end = min(depth, (int)(blockIdx.z + 1) * length);
    const int i = threadIdx.x / 16 * 4, j = threadIdx.x % 16 * 4;
    float sum[4][4] = {};

    int k = blockIdx.z * length;
    loadA.fetch(k, end);
    loadB.fetch(k, end);
    for (; k < end; k += DEPTH) {
        loadA.put(as);
        loadB.put(bs);
        __syncthreads();
        loadA.fetch(k + DEPTH, end);
        loadB.fetch(k + DEPTH, end);
#pragma unroll
        for (int d = 0; d < DEPTH; d++)
#pragma unroll
            for (int r = 0; r < 4; r++)
#pragma unroll
                for (int c = 0; c < 4; c++) sum[r][c] += as[d][i + r] * bs[d][j + c];
        __syncthreads();
    }
#pragma unroll
    for (int r = 0; r < 4; r++)
#pragma unroll
        for (int c = 0; c < 4; c++) {
            const int row = blockIdx.x * TILE + i + r, col = blockIdx.y * TILE + j + c;
            if (row < rows && col < cols) target.put(row, col, sum[r][c]);
        }
}

// Rows is a target in memory: slice by slice, rows of pitch numbers, from offset on, plus image[row mod pixels][col], if there is one.
struct Rows {
    Floats p;
    int rows, pitch, offset;
    ConstFloats image;
    int pixels, cols;
    __device__ void put(int row, int col, float v) const {
        if (image) v += image[row % pixels * (long)cols + col];
        p[(blockIdx.z * (long)rows + row) * pitch + offset + col] = v;
    }
};

// The four products of matrices: A by steps or by lines, B likewise.
#define MATRIX_PRODUCT(name, STEPS_OF_A, STEPS_OF_B)                                                               \
    KERNEL(name, Floats dst, int pitch, int offset, ConstFloats a, int aLine, int aStep, ConstFloats b, int bLine, \
           int bStep, int rows, int cols, int depth, int length, ConstFloats image, int pixels) {                  \
        const Matrix<STEPS_OF_A> left = {a, aLine, aStep};                                                         \
        const Matrix<STEPS_OF_B> right = {b, bLine, bStep};                                                        \
        const Rows target = {dst, rows, pitch, offset, image, pixels, cols};                                       \
        product(left, right, target, rows, cols, depth, length);                                                   \
    }
MATRIX_PRODUCT(productLL, false, false)
MATRIX_PRODUCT(productLS, false, true)
MATRIX_PRODUCT(productSL, true, false)
MATRIX_PRODUCT(productSS, true, true)
