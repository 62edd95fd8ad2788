#!/usr/bin/env bash
# Compares odepipe with PyTorch and torchdiffeq on the same cores: scripts/bench/compare.sh --help
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
"$root/scripts/build.sh"
go build -C "$root" -o bin/ ./scripts/bench/compare
exec "$root/bin/compare" --root="$root" "$@"
