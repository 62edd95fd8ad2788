// Runs the kernels on the host, for tests: the threads of a block are fibres that switch at barriers, in turn from the first to the
// last and from the last to the first. The library's two functions are findKernel and launchKernel.
#include "kernels.cu"

#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <ucontext.h>
#include <vector>

Index threadIdx, blockIdx, blockDim, gridDim;
Kernel *Kernel::first;

namespace {

const size_t stackSize = 64 << 10;

enum State { READY, WAITING, DONE };

struct Fibre {
    jmp_buf at;
    std::vector<char> stack;
    State state;
};

std::vector<Fibre *> fibres;
jmp_buf scheduler;
unsigned current;
const Kernel *kernel;
const uint64_t *bits;
const long *lengths;
char failure[200];

void fail(const char *what, long i, long n) {
    if (failure[0]) return;
    snprintf(failure, sizeof failure, "%s: %s (%ld, %ld) in block (%u, %u, %u), thread %u", kernel->name, what, i, n, blockIdx.x, blockIdx.y,
             blockIdx.z, threadIdx.x);
}

// back gives control to the scheduler until it resumes this fibre.
void back(State state) {
    Fibre *f = fibres[current];
    f->state = state;
    if (!_setjmp(f->at)) _longjmp(scheduler, 1);
}

// body runs the kernel for one thread after another.
void body() {
    back(DONE);
    for (;;) {
        kernel->call(kernel->function, bits, lengths);
        back(DONE);
    }
}

// addFibre makes a fibre and runs it to the point where it waits for work.
void addFibre() {
    Fibre *f = new Fibre;
    f->stack.resize(stackSize);
    fibres.push_back(f);
    current = fibres.size() - 1;
    ucontext_t start;
    getcontext(&start);
    start.uc_stack.ss_sp = f->stack.data();
    start.uc_stack.ss_size = stackSize;
    start.uc_link = nullptr;
    makecontext(&start, body, 0);
    if (!_setjmp(scheduler)) setcontext(&start);
}

void resume(unsigned thread) {
    current = thread;
    threadIdx = {thread, 0, 0};
    if (!_setjmp(scheduler)) _longjmp(fibres[thread]->at, 1);
}

// runBlock runs all threads from barrier to barrier.
void runBlock() {
    const unsigned n = blockDim.x;
    bool backwards = (blockIdx.x + blockIdx.y) % 2;
    for (unsigned t = 0; t < n; t++) fibres[t]->state = READY;
    for (;;) {
        unsigned waiting = 0, done = 0;
        for (unsigned t = 0; t < n; t++) {
            const unsigned thread = backwards ? n - 1 - t : t;
            resume(thread);
            waiting += fibres[thread]->state == WAITING;
            done += fibres[thread]->state == DONE;
        }
        if (done == n) return;
        if (waiting != n) {
            fail("a barrier that some threads do not reach", waiting, n);
            for (unsigned t = 0; t < n; t++)
                while (fibres[t]->state != DONE) resume(t);
            return;
        }
        backwards = !backwards;
    }
}

} // namespace

void barrier() { back(WAITING); }

void outOfBounds(long i, long n) { fail("element out of bounds", i, n); }

// findKernel is the kernel of that name, or null.
extern "C" const Kernel *findKernel(const char *name) {
    for (const Kernel *k = Kernel::first; k; k = k->next)
        if (!strcmp(k->name, name)) return k;
    return nullptr;
}

// launchKernel runs a kernel over a grid of three extents, with so many threads in a block and count arguments; it returns what went
// wrong, or null.
extern "C" const char *launchKernel(const Kernel *k, const unsigned *grid, unsigned threads, const uint64_t *values, const long *sizes,
                                    int count) {
    kernel = k, bits = values, lengths = sizes;
    failure[0] = 0;
    if (count != k->arguments) {
        fail("wrong number of arguments", count, k->arguments);
        return failure;
    }
    while (fibres.size() < threads) addFibre();
    gridDim = {grid[0], grid[1], grid[2]};
    blockDim = {threads, 1, 1};
    for (blockIdx.z = 0; blockIdx.z < gridDim.z; blockIdx.z++)
        for (blockIdx.y = 0; blockIdx.y < gridDim.y; blockIdx.y++)
            for (blockIdx.x = 0; blockIdx.x < gridDim.x; blockIdx.x++) runBlock();
    return failure[0] ? failure : nullptr;
}
