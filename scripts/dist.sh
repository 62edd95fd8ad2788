#!/usr/bin/env bash
# Makes archives of static executables, manual pages and completions in dist/, one for each platform (linux/amd64 and linux/arm64).
#
#   scripts/dist.sh [PLATFORM...]
#
# The version is that of the last tag, as 'git describe' says it. The same source and Go give the same bytes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; }
[ "${1-}" = --help ] && { usage; exit 0; }
[ $# -gt 0 ] || set -- linux/amd64 linux/arm64
version=$(git describe --tags --always --dirty)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# build OS ARCH DIR: without a LAPACK, which would take the C library.
build() {
  CGO_ENABLED=0 GOOS=$1 GOARCH=$2 go build -trimpath -tags nolapack -ldflags "-s -w -X odepipe/pkg/cli.release=$version" -o "$3/" ./cmd/...
}
build "$(go env GOHOSTOS)" "$(go env GOHOSTARCH)" "$work/here"
mkdir -p dist
for platform; do
  name=odepipe-$version-${platform%/*}-${platform#*/}
  build "${platform%/*}" "${platform#*/}" "$work/bin"
  scripts/install.sh "$work/bin" "$work/$name" "$work/here"
  cp README.md CHANGELOG.md "$work/$name/"
  tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$(git log -1 --format=%ct)" -C "$work" -cf - "$name" | gzip -n >"dist/$name.tar.gz"
  echo "dist/$name.tar.gz"
done
