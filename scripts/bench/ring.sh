#!/usr/bin/env bash
# Where the time of an iteration goes in the ring.
#
#   scripts/bench/ring.sh [MODEL [DATASET [STEPS [OPTIMIZER [BATCH]]]]]      (mnist mnist 20 sgd 128)
#
# Prints medians over the ordinary steps, in milliseconds: the whole iteration, the computing of each stage, and what is
# left: encoding, transport, decoding and waiting. Refresh iterations are shown apart. The first two steps do not count.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
PATH=$root/bin:$PATH
model=${1-mnist} dataset=${2-mnist} steps=${3-20} optimizer=${4-sgd} batch=${5-128}

datagen "$dataset" --batch="$batch" --count=1 >/dev/null # a ring without mini-batches would wait for ever
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
kfacstep init --model="$model" --optimizer="$optimizer" >"$work/checkpoint.arrow"
mkfifo "$work/forward" "$work/backward"
datagen "$dataset" --batch="$batch" --count="$steps" |
  odeforward --params="$work/forward" --log="$work/odeforward.jsonl" |
  odebackward --params="$work/backward" --log="$work/odebackward.jsonl" |
  kfacstep --checkpoint="$work/checkpoint.arrow" --log="$work/kfacstep.jsonl" --every="$steps" |
  tee "$work/forward" >"$work/backward"

# field FILE NAME: that number of every line, behind its step.
field() { sed -n "s/.*\"step\":\([0-9]*\).*\"$2\":\([0-9.e-]*\).*/\1 \2/p" "$work/$1.jsonl"; }
refresh=" $(sed -n 's/.*"step":\([0-9]*\).*"refresh":true.*/\1/p' "$work/kfacstep.jsonl" | tr '\n' ' ')"
# median NAME FILE FIELD KIND: over ordinary or refresh steps.
median() {
  field "$2" "$3" | awk -v refresh="$refresh" -v kind="$4" '
    $1 >= 2 || kind == "refresh" { if ((index(refresh, " " $1 " ") > 0) == (kind == "refresh")) print 1000 * $2 }' |
    sort -n | awk '{v[NR] = $1} END {if (NR) printf "%.1f", (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2}'
}
for kind in ordinary refresh; do
  whole=$(median iteration kfacstep seconds $kind)
  [ -n "$whole" ] || continue
  forward=$(median forward odeforward compute $kind) backward=$(median backward odebackward compute $kind) update=$(median update kfacstep compute $kind)
  awk -v kind=$kind -v w="$whole" -v f="$forward" -v b="$backward" -v u="$update" 'BEGIN {
    printf "%-8s iteration %.1f ms: odeforward %.1f, odebackward %.1f, kfacstep %.1f, pipes and waiting %.1f (%.1f %%)\n",
      kind, w, f, b, u, w - f - b - u, 100 * (w - f - b - u) / w }'
done
