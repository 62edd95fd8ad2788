#!/usr/bin/env bash
# Makes DIR/libcuda.a: stands in for the driver's library when a program is linked, so that it starts where there is no driver.
#
#   scripts/libcuda.sh DIR && source DIR/env && go build -tags cuda ...
#
# Each function of the driver that gorgonia.org/cu and pkg/backend/cuda call is a jump to the one in libcuda.so.1, which is looked for
# as the program starts; where it is missing, the jump leads to CUDA_ERROR_NO_DEVICE. cuInit always succeeds, because the binding calls
# it at the start and ends the program otherwise: every later call fails as it should. Linux on x86-64 only, with gcc.
#
# cuda.h is that of CUDA_HOME or of /usr/include (Debian's nvidia-cuda-dev), else it is fetched with pip, 1 MB. It must be of CUDA 11 or
# 12: the binding does not know 13.
set -euo pipefail
dir=$(realpath -m -- "$1")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
mkdir -p "$dir"
command -v gcc >/dev/null || { echo "libcuda.sh: there is no gcc" >&2; exit 3; }
include=${CUDA_HOME:-/usr}/include
if ! grep -q '^#define CUDA_VERSION 1[12]' "$include/cuda.h" 2>/dev/null; then
  python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps --target "$dir/pip" nvidia-cuda-runtime-cu11==11.8.89 ||
    { echo "libcuda.sh: there is no cuda.h of CUDA 11 or 12 in $include" >&2; exit 3; }
  include=$dir/pip/nvidia/cuda_runtime/include
fi
{
  printf 'export CGO_ENABLED=1 CGO_CFLAGS=%q\n' "-O2 -I$include"
  printf 'export CGO_LDFLAGS=%q\n' "-L$dir"
} >"$dir/env"
source "$dir/env"

# What is called and defined nowhere.
for package in gorgonia.org/cu ./pkg/backend/cuda; do
  go build -tags cuda -o "$dir/package.a" "$package"
  nm "$dir/package.a" 2>/dev/null
done >"$dir/symbols"
names=$(awk '$1 == "U" && $2 ~ /^cu[A-Z]/ && $2 != "cuInit" {wanted[$2]} $2 == "T" {defined[$3]}
  END {for (name in wanted) if (!(name in defined)) print name}' "$dir/symbols" | sort)
rm "$dir/package.a" "$dir/symbols"

{
  echo '.text'
  i=0
  for name in $names; do
    printf '.globl %s\n.type %s, @function\n%s: jmp *driverCalls+%d(%%rip)\n' "$name" "$name" "$name" $((8 * i))
    i=$((i + 1))
  done
  echo '.section .note.GNU-stack,"",@progbits'
} >"$dir/jumps.s"
{
  echo '#include <dlfcn.h>'
  echo 'static int noDevice(void) { return 100; }'
  echo 'static const char *const names[] = {'
  for name in $names; do printf '    "%s",\n' "$name"; done
  cat <<'C'
};
enum { COUNT = sizeof names / sizeof *names };
void *driverCalls[COUNT];
static int (*init)(unsigned);
int cuInit(unsigned flags) {
    if (init) init(flags);
    return 0;
}
__attribute__((constructor)) static void openDriver(void) {
    void *driver = dlopen("libcuda.so.1", RTLD_NOW);
    if (driver) *(void **)&init = dlsym(driver, "cuInit");
    for (int i = 0; i < COUNT; i++) {
        void *call = driver ? dlsym(driver, names[i]) : 0;
        driverCalls[i] = call ? call : (void *)noDevice;
    }
}
C
} >"$dir/driver.c"
gcc -O2 -fPIC -c -o "$dir/driver.o" "$dir/driver.c"
gcc -c -o "$dir/jumps.o" "$dir/jumps.s"
rm -f "$dir/libcuda.a"
ar rcs "$dir/libcuda.a" "$dir/driver.o" "$dir/jumps.o"
rm "$dir"/driver.[co] "$dir"/jumps.[so]
