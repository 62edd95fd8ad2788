#!/usr/bin/env bash
# Sets up what the tests need and runs them all, as CI does.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/build.sh

unformatted=$(gofmt -l cmd pkg scripts)
[ -z "$unformatted" ] || { echo "gofmt would change: $unformatted" >&2; exit 1; }
go vet ./...
GOARCH=arm64 go vet ./pkg/...
go test ./...
