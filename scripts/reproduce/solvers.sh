#!/usr/bin/env bash
# What every solver reaches for what it costs: work-precision of all methods on problems whose end states are known.
#
#   scripts/reproduce/solvers.sh [-o PICTURE.png|.svg|.pdf] [--problems NAME,...] [--methods NAME,...]
#
# Prints a line for each problem, method and setting: error at t1, evaluations of f, seconds; then the fewest evaluations
# to reach 1e-6. Methods that choose their steps run at rtol = atol = 1e-2 .. 1e-10, the others in 2^4 .. 2^14 steps of one
# size. With -o it draws error against evaluations and against seconds, two panels for each problem. End states are those of
# ../shared/golden/ode_table.json; where that is not there, a solve by dopri8 at 1e-13 stands in. Where the last step of a
# method that chooses its steps passes t1 the state there is its dense output, of order 4 at most: it limits dopri8 most.
# Needs Go and bash; takes half a minute.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

case ${1-} in --help | -h) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; exit ;; esac
command -v go >/dev/null || { echo "solvers.sh: Go is needed to build; see scripts/build.sh" >&2; exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
CGO_ENABLED=0 go build -C "$root" -o "$work/solvers" ./scripts/reproduce/solvers
truth=$root/../shared/golden/ode_table.json
[ ! -f "$truth" ] || set -- --truth="$truth" "$@"
"$work/solvers" "$@"
