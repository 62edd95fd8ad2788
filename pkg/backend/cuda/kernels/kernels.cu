// All kernels, one module.
#include "activation.cuh"
#include "conv.cuh"
#include "elements.cuh"
#include "images.cuh"
#include "updates.cuh"
