#!/usr/bin/env bash
# Compiles the CUDA kernels to PTX, beside their sources, or with --check says whether what is committed is what they compile to.
#
#   [NVRTC=libnvrtc.so.11.2] scripts/build-ptx.sh [--check]
#
# The compiler is NVRTC of CUDA 11.8, the first to know compute_90: its PTX runs on drivers from 520 on. Where NVRTC does not name
# it, it is fetched with pip, 23 MB. Exit status of --check: 1 if they differ, 3 if there is no compiler.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case ${1-} in "" | --check) ;; *) echo "build-ptx.sh: unknown argument $1" >&2; exit 2 ;; esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ -z "${NVRTC-}" ]; then
  python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps --target "$work/pip" nvidia-cuda-nvrtc-cu11==11.8.89 ||
    { echo "build-ptx.sh: NVRTC of CUDA 11.8 is not to be had; NVRTC names one" >&2; exit 3; }
  NVRTC=$work/pip/nvidia/cuda_nvrtc/lib/libnvrtc.so.11.2
fi
if [ -z "${1-}" ]; then
  go run ./scripts/ptx --nvrtc="$NVRTC"
  exit
fi
go run ./scripts/ptx --nvrtc="$NVRTC" --out="$work"
for name in kernels_80.ptx kernels_90.ptx; do
  cmp -s "$work/$name" "pkg/backend/cuda/kernels/$name" ||
    { echo "build-ptx.sh: the kernels have changed since $name was made: run scripts/build-ptx.sh and commit it" >&2; exit 1; }
done
