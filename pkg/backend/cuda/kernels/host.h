// The host's form of language.cuh: kernels are functions that host.cc runs block by block and thread by thread, and pointers know
// their length.
#pragma once

#include <cmath>
#include <cstdint>
#include <type_traits>
#include <utility>

#define __device__
#define __shared__ static
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __syncthreads() barrier()

struct Index {
    unsigned x, y, z;
};
extern Index threadIdx, blockIdx, blockDim, gridDim;

// barrier waits until all threads of the block have come to it.
void barrier();

// outOfBounds notes an access to element i of n; the launch then fails.
void outOfBounds(long i, long n);

// Checked is a pointer to n elements.
template <class T>
struct Checked {
    T *p;
    long n;
    T &operator[](long i) const {
        if (i >= 0 && i < n) return p[i];
        static std::remove_const_t<T> nowhere;
        outOfBounds(i, n);
        return nowhere;
    }
    explicit operator bool() const { return p; }
};
typedef Checked<float> Floats;
typedef Checked<const float> ConstFloats;
typedef Checked<double> Doubles;

template <class A, class B>
inline std::common_type_t<A, B> min(A a, B b) {
    return b < a ? b : a;
}

// argument reads an argument of a launch: 8 bytes and, for pointers, the number of elements.
template <class T>
struct Argument {
    static T read(const uint64_t *bits, long) { return *reinterpret_cast<const T *>(bits); }
};
template <class T>
struct Argument<Checked<T>> {
    static Checked<T> read(const uint64_t *bits, long n) { return {reinterpret_cast<T *>(*bits), n}; }
};

// Kernel is a function by name, callable with arguments read from a list.
struct Kernel {
    const char *name;
    int arguments;
    void (*call)(void (*)(), const uint64_t *, const long *);
    void (*function)();
    Kernel *next;
    static Kernel *first;

    template <class... A>
    Kernel(const char *name, void (*f)(A...))
        : name(name), arguments(sizeof...(A)), call(unpack<A...>), function(reinterpret_cast<void (*)()>(f)), next(first) {
        first = this;
    }
    template <class... A>
    static void unpack(void (*f)(), const uint64_t *bits, const long *lengths) {
        unpackAt<A...>(reinterpret_cast<void (*)(A...)>(f), bits, lengths, std::index_sequence_for<A...>());
    }
    template <class... A, size_t... I>
    static void unpackAt(void (*f)(A...), const uint64_t *bits, const long *lengths, std::index_sequence<I...>) {
        f(Argument<A>::read(bits + I, lengths[I])...);
    }
};

#define KERNEL(name, ...)                      \
    static void name(__VA_ARGS__);             \
    static Kernel kernelNamed_##name(#name, name); \
    static void name(__VA_ARGS__)
