#!/usr/bin/env bash
# Freezes the streams of one step of a run, replays every stage on its own from them, and checks that the numbers come again.
#
#   scripts/examples/replay.sh CHECKPOINT DATASET DIR
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
PATH=$root/bin:$PATH
[ $# -eq 3 ] || { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; exit 2; }
mkdir -p "$3"
cp "$1" "$3/before.arrow"
cp "$1" "$3/after.arrow"
step=$(kfacstep show --checkpoint="$1" | sed 's/.*"step":\([0-9]*\).*/\1/')
KEEP=1 "$root/scripts/iterate.sh" "$3/after.arrow" "$2" "$step"
cd "$3"
cp before.arrow again.arrow
odeforward --divergence=model --params=before.arrow <"step-$step.batch.arrow" >state.arrow
odebackward --params=before.arrow <"step-$step.state.arrow" >gradient.arrow
kfacstep --checkpoint=again.arrow <"step-$step.gradient.arrow" >params.arrow
arrowpeek diff "step-$step.state.arrow" state.arrow
arrowpeek diff "step-$step.gradient.arrow" gradient.arrow
arrowpeek diff after.arrow again.arrow
