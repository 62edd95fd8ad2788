//go:build cuda

package cuda

/*
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
	void *handle;
	int (*destroy)(void *);
	int (*sgemm)(void *, int, int, int, int, int, const float *, const float *, int, const float *, int, const float *, float *, int);
} library;

// openLibrary finds cuBLAS and makes a handle on the current context; it returns 0 if it cannot.
static int openLibrary(library *l, int tf32) {
	static const char *const names[] = {"libcublas.so.13", "libcublas.so.12", "libcublas.so.11"};
	void *so = NULL;
	for (size_t i = 0; i < sizeof names / sizeof *names && !so; i++) so = dlopen(names[i], RTLD_NOW);
	if (!so) return 0;
	int (*create)(void **) = (int (*)(void **))dlsym(so, "cublasCreate_v2");
	int (*setMode)(void *, int) = (int (*)(void *, int))dlsym(so, "cublasSetMathMode");
	*(void **)&l->destroy = dlsym(so, "cublasDestroy_v2");
	*(void **)&l->sgemm = dlsym(so, "cublasSgemm_v2");
	if (!create || !setMode || !l->destroy || !l->sgemm || create(&l->handle)) return 0;
	enum { DEFAULT_MATH = 0, TF32_TENSOR_OP_MATH = 3 };
	if (!setMode(l->handle, tf32 ? TF32_TENSOR_OP_MATH : DEFAULT_MATH)) return 1;
	l->destroy(l->handle);
	return 0;
}

static void closeLibrary(library *l) { l->destroy(l->handle); }

static int sgemm(library *l, int transA, int transB, int m, int n, int k, uintptr_t a, int lda, uintptr_t b, int ldb, uintptr_t c, int ldc) {
	const float one = 1, zero = 0;
	return l->sgemm(l->handle, transA, transB, m, n, k, &one, (const float *)a, lda, (const float *)b, ldb, &zero, (float *)c, ldc);
}
*/
import "C"

import "fmt"

// blas is cuBLAS, whichever version the machine has.
type blas struct{ library C.library }

// openBLAS is cuBLAS for the current context, nil where there is none.
func openBLAS(tf32 bool) *blas {
	b := &blas{}
	if C.openLibrary(&b.library, flag(tf32)) == 0 {
		return nil
	}
	return b
}

func (b *blas) sgemm(transA, transB bool, m, n, k int, a uintptr, lda int, bm uintptr, ldb int, c uintptr, ldc int) error {
	status := C.sgemm(&b.library, flag(transA), flag(transB), C.int(m), C.int(n), C.int(k),
		C.uintptr_t(a), C.int(lda), C.uintptr_t(bm), C.int(ldb), C.uintptr_t(c), C.int(ldc))
	if status != 0 {
		return fmt.Errorf("cuda: cublasSgemm: status %d", int(status))
	}
	return nil
}

func (b *blas) close() { C.closeLibrary(&b.library) }

// flag is C's number for a condition, and cuBLAS's for a transpose.
func flag(on bool) C.int {
	if on {
		return 1
	}
	return 0
}
