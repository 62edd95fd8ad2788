// What the kernels are written in: CUDA C with one way to declare a kernel, and names for the types of its arguments. Every
// argument takes 8 bytes. Pointers are only ever indexed, so that the host's form of this file (host.h) can check them.
#pragma once

#ifdef __CUDACC__

#define KERNEL(name, ...) extern "C" __global__ void __launch_bounds__(256) name(__VA_ARGS__)

typedef float *Floats;
typedef const float *ConstFloats;
typedef double *Doubles;

#else
#include "host.h"
#endif

// EACH runs i over 0..n-1, shared among all threads of the grid.
#define EACH(i, n) \
    for (long i = blockIdx.x * (long)blockDim.x + threadIdx.x; i < (n); i += gridDim.x * (long)blockDim.x)

// TERMS declares the arguments of up to 16 tensors, COEFFICIENTS those of their coefficients; GATHER makes arrays of them.
#define TERMS                                                                                       \
    ConstFloats x0, ConstFloats x1, ConstFloats x2, ConstFloats x3, ConstFloats x4, ConstFloats x5, \
        ConstFloats x6, ConstFloats x7, ConstFloats x8, ConstFloats x9, ConstFloats x10,            \
        ConstFloats x11, ConstFloats x12, ConstFloats x13, ConstFloats x14, ConstFloats x15
#define COEFFICIENTS                                                                                  \
    float c0, float c1, float c2, float c3, float c4, float c5, float c6, float c7, float c8, float c9, \
        float c10, float c11, float c12, float c13, float c14, float c15
#define GATHER(array, v)                                                                            \
    array = {v##0, v##1, v##2, v##3, v##4, v##5, v##6, v##7, v##8, v##9, v##10, v##11, v##12, v##13, \
             v##14, v##15}
