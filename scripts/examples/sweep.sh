#!/usr/bin/env bash
# A learning-rate sweep with GNU parallel, or one run after the other where there is none; the best by test accuracy comes first.
#
#   scripts/examples/sweep.sh MODEL DATASET DIR RATE... [-- settings of train.sh]
#
# Under Slurm, sweep.sbatch does the same with a job array.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
[ $# -ge 4 ] || { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; exit 2; }
export MODEL=$1 DATASET=$2 DIR=$3 ROOT=$root
shift 3
rates=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do rates+=("$1"); shift; done
[ $# -eq 0 ] || shift
export SETTINGS="$*"

one() { # RATE
  set -euo pipefail
  PATH=$ROOT/bin:$PATH
  "$ROOT/scripts/train.sh" "$MODEL" "$DATASET" "$DIR/lr-$1" --lr="$1" --threads=1 $SETTINGS
  datagen "$DATASET" --split=test --batch=500 | odeforward --params="$DIR/lr-$1/checkpoint.arrow" | evalmodel >"$DIR/lr-$1/test.json"
}
export -f one
if command -v parallel >/dev/null; then
  parallel --halt now,fail=1 one ::: "${rates[@]}"
else
  for rate in "${rates[@]}"; do one "$rate"; done
fi
for rate in "${rates[@]}"; do
  echo "$rate $(sed -n 's/.*"accuracy":\([0-9.e-]*\).*/\1/p' "$DIR/lr-$rate/test.json")"
done | sort -k2 -gr
