#!/usr/bin/env bash
# Writes a page on a run of scripts/train.sh: settings, curves, final figures, time of each stage, commands that repeat it.
#
#   scripts/report.sh RUNDIR [-o PAGE]
#
# PAGE is by default RUNDIR/report.html; it is one file, and opens offline. RUNDIR/test.json, evalmodel's output, adds figures
# on the test set where it is there; see 'scripts/plot.sh --help' for what adds curves. Needs Go.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

usage() { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; }
fail() { echo "report.sh: $1" >&2; exit "${2-1}"; }
run="" page=""
while [ $# -gt 0 ]; do
  case $1 in
    --help | -h) usage; exit ;;
    -o) [ $# -ge 2 ] || fail "$1 needs a value" 2; page=$2; shift 2 ;;
    -*) fail "unknown flag $1; try 'scripts/report.sh --help'" 2 ;;
    *) [ -z "$run" ] || fail "unexpected argument '$1'" 2; run=$1; shift ;;
  esac
done
[ -n "$run" ] || fail "RUNDIR is missing; try 'scripts/report.sh --help'" 2
[ -f "$run/log.jsonl" ] || fail "$run is no run of scripts/train.sh: it has no log.jsonl"
exec go run -C "$root" ./scripts/plot -report "$(realpath -m -- "${page:-$run/report.html}")" "$(realpath -- "$run")"
