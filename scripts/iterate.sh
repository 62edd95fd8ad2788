#!/usr/bin/env bash
# One training iteration by separate processes, plain Arrow files in between.
#
#   scripts/iterate.sh CHECKPOINT DATASET STEP [--batch B] [--seed S] [--data DIR] [--y F] [--threads N] [--device D] [--cpu K] [--tf32]
#
# DATASET is a name that 'datagen list' shows, or a .npy or .csv file. CHECKPOINT must be at step STEP; it is advanced
# by one. With KEEP=1 the files of the iteration stay in CHECKPOINT's folder as step-STEP.batch.arrow, .state.arrow,
# .gradient.arrow and .params.arrow.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PATH=$root/bin:$PATH

usage() { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; }
[ "${1-}" = --help ] && { usage; exit 0; }
[ $# -ge 3 ] || { echo "iterate.sh: expected CHECKPOINT DATASET STEP; try 'scripts/iterate.sh --help'" >&2; exit 2; }
checkpoint=$1 dataset=$2 step=$3
shift 3
data=() common=()
while [ $# -gt 0 ]; do
  name=${1%%=*}
  case $1 in
    --tf32) value=true; shift ;;
    --*=*) value=${1#*=}; shift ;;
    --*) [ $# -ge 2 ] || { echo "iterate.sh: $1 needs a value" >&2; exit 2; }; value=$2; shift 2 ;;
    *) echo "iterate.sh: unexpected argument '$1'" >&2; exit 2 ;;
  esac
  case $name in
    --threads | --device | --cpu | --tf32) common+=("$name=$value") ;;
    *) data+=("$name=$value") ;;
  esac
done
case $dataset in
  *[./]*) source=("--x=$dataset") ;;
  *) source=("$dataset") ;;
esac

folder=$(dirname "$checkpoint")
files=$(mktemp -d "$folder/.step-$step.XXXXXX")
finish() {
  if [ "${KEEP-}" = 1 ]; then
    for f in "$files"/*; do [ -e "$f" ] && mv "$f" "$folder/step-$step.${f##*/}"; done
  fi
  rm -rf "$files"
}
trap finish EXIT

datagen "${source[@]}" --start-step="$step" --count=1 "${data[@]}" >"$files/batch.arrow"
odeforward --divergence=model --params="$checkpoint" "${common[@]}" <"$files/batch.arrow" >"$files/state.arrow"
odebackward --params="$checkpoint" "${common[@]}" <"$files/state.arrow" >"$files/gradient.arrow"
kfacstep --checkpoint="$checkpoint" "${common[@]}" <"$files/gradient.arrow" >"$files/params.arrow"
