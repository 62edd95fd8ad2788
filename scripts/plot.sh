#!/usr/bin/env bash
# Draws runs of scripts/train.sh.
#
#   scripts/plot.sh curves  [-o PICTURE] RUNDIR...                                     loss, accuracy, evaluations, step size, t1, damping, gradient
#   scripts/plot.sh density [-o PICTURE] RUNDIR [--data DATASET] [--lo X,Y] [--hi X,Y]  a flow of two features: data, samples, density
#
# Curves stand over steps and over wall-clock time. Runs whose commands differ in the seed alone are one curve, their mean,
# with a band from the lowest to the highest. RUNDIR/evaluations.jsonl, evalmodel's lines with a "step" each, adds the test
# loss and accuracy; RUNDIR/trace.arrow, the file of 'odeforward --trace', the step size.
# PICTURE is a .png, .svg or .pdf, by default curves.png or density.png in the last RUNDIR. DATASET is by default the one
# that the run was trained on. Needs Go.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PATH=$root/bin:$PATH

usage() { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; }
fail() { echo "plot.sh: $1" >&2; exit "${2-1}"; }
[ -x "$root/bin/evalmodel" ] || fail "the programs are not built yet: run scripts/build.sh"
kind=${1-} picture="" data="" lo=-4,-4 hi=4,4 runs=()
case $kind in
  --help | -h) usage; exit ;;
  curves | density) shift ;;
  *) fail "expected 'curves' or 'density'; try 'scripts/plot.sh --help'" 2 ;;
esac
while [ $# -gt 0 ]; do
  case $1 in
    --help | -h) usage; exit ;;
    --*=*) set -- "${1%%=*}" "${1#*=}" "${@:2}"; continue ;;
    -o | --data | --lo | --hi)
      [ $# -ge 2 ] || fail "$1 needs a value" 2
      case $1 in -o) picture=$2 ;; --data) data=$2 ;; --lo) lo=$2 ;; --hi) hi=$2 ;; esac
      shift 2 ;;
    -*) fail "unknown flag $1; try 'scripts/plot.sh --help'" 2 ;;
    *) runs+=("$1"); shift ;;
  esac
done
[ ${#runs[@]} -gt 0 ] || fail "RUNDIR is missing; try 'scripts/plot.sh --help'" 2
run=${runs[-1]}
: "${picture:=$run/$kind.png}"
if [ "$kind" = curves ]; then
  mapfile -t runs < <(realpath -- "${runs[@]}")
  exec go run -C "$root" ./scripts/plot -o "$(realpath -m -- "$picture")" "${runs[@]}"
fi
[ ${#runs[@]} -eq 1 ] || fail "density takes one RUNDIR" 2
[ -n "$data" ] || read -r _ _ data _ <"$run/command" || fail "$run has no command to take the data set from"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
datagen "$data" --split=test --batch=500 --count=4 >"$work/data"
evalmodel sample --params="$run/checkpoint.arrow" --count=2000 >"$work/samples"
evalmodel density --params="$run/checkpoint.arrow" --lo="$lo" --hi="$hi" >"$work/density"
go run -C "$root" ./scripts/plot/density -o "$(realpath -m -- "$picture")" "$work/data" "$work/samples" "$work/density"
