#!/usr/bin/env bash
# Builds the executables into bin/. Needs Go 1.23 or newer and nothing else; with TAGS=cuda, for GPUs, gcc too (scripts/libcuda.sh).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

need=$(awk '$1 == "go" {print $2}' go.mod)
how="get it from https://go.dev/dl or, on Debian, from golang-go of a recent release or of backports"
command -v go >/dev/null || { echo "build.sh: Go $need or newer is needed and there is none; $how" >&2; exit 1; }
have=$(GOTOOLCHAIN=local go env GOVERSION)
have=${have#go}
[ "$(printf '%s\n' "$need" "${have%%[!0-9.]*}" | sort -V | head -n 1)" = "$need" ] ||
  { echo "build.sh: Go $need or newer is needed, this is $have; $how" >&2; exit 1; }
if [[ ,${TAGS-}, = *,cuda,* ]]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  scripts/libcuda.sh "$work"
  source "$work/env"
else
  export CGO_ENABLED=0
fi
go build -tags "${TAGS-}" -o bin/ ./cmd/...
