#!/usr/bin/env bash
# Tests the GPU backend on a machine that has a GPU but neither Go nor a network.
#
#   scripts/test-gpu.sh --build DIR     with Go: fills DIR with everything that the other machine needs
#   DIR/scripts/test-gpu.sh             there: runs it
#   scripts/test-gpu.sh --emulate       both here, with a driver that runs the kernels on the host
#
# It runs every operation against the reference, ten training steps of several models against the processor to 1e-4, the same under
# compute-sanitizer if CUDA has it, and the programs in the ring against those on the processor. Exit status: 1 if anything fails.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
fail() { echo "test-gpu.sh: $1" >&2; exit "${2-1}"; }

# build DIR: the programs, the tests and PyTorch's half of the benchmark.
build() {
  mkdir -p "$1/scripts"
  cd "$root"
  scripts/libcuda.sh "$1/stand-in"
  source "$1/stand-in/env"
  go build -tags cuda -o "$1/bin/" ./cmd/... ./scripts/bench/compare
  go test -tags cuda -c -o "$1/bin/cuda.test" ./pkg/backend/cuda
  mkdir -p "$1/scripts/bench"
  cp -r scripts/train.sh scripts/test-gpu.sh scripts/models "$1/scripts/"
  cp -r scripts/bench/gpu.sh scripts/bench/torch "$1/scripts/bench/"
  rm -r "$1/stand-in"
}

# losses RUN: step and loss of each record.
losses() { sed -n 's/.*"step":\([0-9]*\),.*"loss":\([^,]*\),.*/\1 \2/p' "$1/log.jsonl"; }

# ring MODEL DATASET SETTING...: thirty steps on both devices have the same losses, to 1e-3.
ring() {
  local run=$work/$1-$3 device
  for device in cpu cuda; do
    "$root/scripts/train.sh" "$root/scripts/models/$1.toml" "$2" "$run-$device" --steps=30 --device=$device "${@:3}"
  done
  [ "$(losses "$run-cpu" | wc -l)" -eq 30 ] || fail "$1: the run's log does not have 30 losses"
  join <(losses "$run-cpu") <(losses "$run-cuda") | awk -v name="$1 ${*:3}" '
    { difference = $2 - $3; if (difference < 0) difference = -difference; if (difference > worst) worst = difference; n++ }
    !(difference <= 1e-3) { bad = 1 }
    END { printf "ring %s: %d steps, losses differ by at most %.2g\n", name, n, worst; exit bad || n != 30 }' || fail "$1 trains differently on the GPU"
}

run() {
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  "$root/bin/cuda.test" -test.v | tee "$work/log" | grep -v '^=== ' || fail "tests fail"
  ! grep -q 'cuda: GPU' "$work/log" || fail "there is no GPU to test"
  local sanitizer tool
  sanitizer=$(command -v compute-sanitizer || command -v "${CUDA_HOME:-/usr/local/cuda}/bin/compute-sanitizer" || true)
  if [ -n "$sanitizer" ]; then
    for tool in memcheck racecheck initcheck; do
      "$sanitizer" --tool "$tool" --error-exitcode 1 "$root/bin/cuda.test" -test.run Reference >"$work/log" 2>&1 ||
        { cat "$work/log" >&2; fail "compute-sanitizer $tool complains"; }
    done
  else
    echo "compute-sanitizer is not here: left out"
  fi
  ring spirals spirals --optimizer=adam
  ring spirals spirals --optimizer=snopt
  local status=0
  "$root/bin/kfacstep" init --model="$root/scripts/models/spirals.toml" --optimizer=adam --device=cuda:99 >/dev/null 2>"$work/log" || status=$?
  [ $status -eq 1 ] && [ "$(wc -l <"$work/log")" -eq 1 ] || fail "--device cuda:99 ends with $status: $(cat "$work/log")"
  echo "test-gpu.sh: all passed"
}

case ${1-} in
  --build) build "$(realpath -m -- "${2:?DIR}")" ;;
  --emulate)
    command -v g++ >/dev/null || fail "there is no g++" 3
    all=$(mktemp -d)
    trap 'rm -rf "$all"' EXIT
    build "$all"
    g++ -std=c++17 -O2 -Wno-unknown-pragmas -U_FORTIFY_SOURCE -shared -fPIC -o "$all/libcuda.so.1" "$root/pkg/backend/cuda/kernels/driver.cc"
    LD_LIBRARY_PATH=$all "$all/scripts/test-gpu.sh" ;;
  "") run ;;
  *) fail "unknown argument $1" 2 ;;
esac
