// A libcuda.so.1 that has one GPU, of compute capability 9.0, and runs its kernels on the host: for programs built with the tag
// cuda where there is no GPU. Accesses are not checked: a launch does not say how long its tensors are.
#include "host.cc"

#include <cstdlib>
#include <string>

namespace {

enum { SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, INVALID_CONTEXT = 201, NOT_FOUND = 500 };

std::string image;               // the PTX of the one module
thread_local bool hasContext; // as with the real one, a thread that has none can do nothing

} // namespace

extern "C" {

int cuInit(unsigned) { return SUCCESS; }

int cuDeviceGetCount(int *count) {
    *count = 1;
    return SUCCESS;
}

int cuDeviceGet(int *device, int ordinal) {
    *device = ordinal;
    return SUCCESS;
}

int cuDeviceGetAttribute(int *value, int attribute, int) {
    enum { COMPUTE_CAPABILITY_MAJOR = 75 };
    *value = attribute == COMPUTE_CAPABILITY_MAJOR ? 9 : 0;
    return SUCCESS;
}

int cuDevicePrimaryCtxRetain(void **context, int) {
    *context = &image;
    return SUCCESS;
}

int cuDevicePrimaryCtxRelease_v2(int) { return SUCCESS; }

int cuCtxSetCurrent(void *context) {
    hasContext = context == &image;
    return SUCCESS;
}

int cuCtxSynchronize() { return SUCCESS; }

int cuModuleLoadData(void **module, const void *text) {
    image = static_cast<const char *>(text);
    *module = &image;
    return image.find(".target sm_90") == std::string::npos ? INVALID_VALUE : SUCCESS;
}

int cuModuleUnload(void *) { return SUCCESS; }

// The function is there if the PTX and the host have it, with equally many parameters.
int cuModuleGetFunction(const Kernel **function, void *, const char *name) {
    *function = findKernel(name);
    const size_t entry = image.find(std::string(".entry ") + name + "(");
    if (!*function || entry == std::string::npos) return NOT_FOUND;
    int parameters = 0;
    const size_t end = image.find(')', entry);
    for (size_t at = entry; (at = image.find(".param", at)) < end; at++) parameters++;
    return parameters == (*function)->arguments ? SUCCESS : INVALID_VALUE;
}

int cuLaunchKernel(const Kernel *function, unsigned x, unsigned y, unsigned z, unsigned threads, unsigned, unsigned, unsigned, void *, void **arguments,
                   void **) {
    if (!hasContext) return INVALID_CONTEXT;
    std::vector<uint64_t> values;
    for (int i = 0; i < function->arguments; i++) values.push_back(*static_cast<uint64_t *>(arguments[i]));
    const std::vector<long> anyLength(values.size(), 1L << 60);
    const unsigned grid[] = {x, y, z};
    return launchKernel(function, grid, threads, values.data(), anyLength.data(), values.size()) ? INVALID_VALUE : SUCCESS;
}

int cuMemAlloc_v2(void **memory, size_t bytes) {
    if (!hasContext) return INVALID_CONTEXT;
    return (*memory = malloc(bytes)) ? SUCCESS : OUT_OF_MEMORY;
}

int cuMemFree_v2(void *memory) {
    free(memory);
    return SUCCESS;
}

int cuMemHostAlloc(void **memory, size_t bytes, unsigned) { return cuMemAlloc_v2(memory, bytes); }

int cuMemFreeHost(void *memory) { return cuMemFree_v2(memory); }

int cuMemcpyHtoD_v2(void *to, const void *from, size_t bytes) {
    if (!hasContext) return INVALID_CONTEXT;
    memcpy(to, from, bytes);
    return SUCCESS;
}

int cuMemcpyHtoDAsync_v2(void *to, const void *from, size_t bytes, void *) { return cuMemcpyHtoD_v2(to, from, bytes); }

int cuMemcpyDtoH_v2(void *to, const void *from, size_t bytes) {
    if (!hasContext) return INVALID_CONTEXT;
    memcpy(to, from, bytes);
    return SUCCESS;
}

} // extern "C"
