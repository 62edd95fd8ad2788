#!/usr/bin/env bash
# Watches a run's log with jq: the step, a mean of the last losses, and the evaluations, a line for every so many steps.
#
#   scripts/examples/watch.sh RUNDIR [EVERY]        what is there already
#   tail -f RUNDIR/log.jsonl | scripts/examples/watch.sh - [EVERY]
set -euo pipefail
[ $# -ge 1 ] || { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; exit 2; }
log=$1/log.jsonl
[ "$1" != - ] || log=/dev/stdin
jq -nr --unbuffered --argjson every "${2-50}" '
  foreach (inputs | select(.program == "kfacstep")) as $s ({};
    {losses: ((.losses // []) + [$s.loss])[-$every:], last: $s};
    select((.last.step + 1) % $every == 0)
    | "step \(.last.step + 1)  loss \(.losses | add / length)  nfe \(.last.nfe_forward) + \(.last.nfe_backward)")' "$log"
