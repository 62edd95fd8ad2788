#!/usr/bin/env bash
# Trains a model with the ring: all stages stay up, kfacstep feeds its parameters back to odeforward and odebackward.
#
#   scripts/train.sh MODEL DATASET RUNDIR [--steps N | --epochs E] [--batch B] [--seed S] [--optimizer O]
#                    [settings of the optimizer] [--data DIR] [--y F] [--every N] [--threads N] [--device D]
#
# MODEL is a preset (mnist, svhn, cifar10) or a TOML file; DATASET a name that 'datagen list' shows, or a .npy or .csv file.
# RUNDIR gets checkpoint.arrow, log.jsonl, model.toml and command, the line that repeats the run. A RUNDIR with a
# checkpoint is resumed, settings left out are those of its command; settings that contradict it are an error.
# Everything else, such as --lr=0.01 or --group='fc.*=adam', goes to 'kfacstep init'. Exit status as of the stages.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PATH=$root/bin:$PATH

usage() { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; }
fail() { echo "train.sh: $1" >&2; exit "${2-1}"; }

# parse WORD...: fills the associative array 'set' with one entry per setting.
declare -A set
parse() {
  local words=() name value
  while [ $# -gt 0 ]; do
    name=${1%%=*}
    case $1 in
      --help) usage; exit 0 ;;
      --*=*) value=${1#*=}; shift ;;
      --*) [ $# -ge 2 ] || fail "$1 needs a value" 2; value=$2; shift 2 ;;
      *) words+=("$1"); shift; continue ;;
    esac
    name=${name#--}
    if [ "$name" = group ] && [ -n "${set[group]-}" ]; then value=${set[group]}$'\n'$value; fi
    set[$name]=$value
  done
  [ ${#words[@]} -eq 3 ] || fail "expected MODEL DATASET RUNDIR; try 'scripts/train.sh --help'" 2
  set[MODEL]=${words[0]} set[DATASET]=${words[1]} run=${words[2]}
}
parse "$@"
[ -z "${set[steps]-}" ] || [ -z "${set[epochs]-}" ] || fail "--steps and --epochs exclude each other" 2
mkdir -p "$run"

# A run that exists lends its settings, and insists on those that decide its numbers.
if [ -e "$run/checkpoint.arrow" ]; then
  [ -r "$run/command" ] || fail "$run has a checkpoint but no command to compare with"
  declare -A now
  for name in "${!set[@]}"; do now[$name]=${set[$name]}; done
  set=() here=$run
  eval "parse $(sed 's/^[^ ]* //' "$here/command")"
  run=$here
  for name in "${!now[@]}"; do
    case $name in
      steps | epochs) unset 'set[steps]' 'set[epochs]' ;;
      threads | device | every | progress | data | limit) ;;
      *) [ "${set[$name]-}" = "${now[$name]}" ] ||
        fail "$run was made with $name '${set[$name]-(default)}', not '${now[$name]}'; take another RUNDIR" ;;
    esac
    set[$name]=${now[$name]}
  done
fi

# What the stages get.
datagen=() common=() init=() kfacstep=()
preset=$(kfacstep presets | awk -v m="${set[MODEL]}" '$1 == m {print $2, $3}')
batch=${set[batch]-${preset%% *}} epochs=${set[epochs]-${preset##* }}
datagen+=(--batch="${batch:-128}")
case ${set[DATASET]} in
  *[./]*) datagen+=(--x="${set[DATASET]}") ;;
  *) datagen+=("${set[DATASET]}") ;;
esac
for name in "${!set[@]}"; do
  value=${set[$name]}
  case $name in
    MODEL | DATASET | steps | epochs | batch) ;;
    data | y) datagen+=("--$name=$value") ;;
    seed) datagen+=("--seed=$value"); init+=("--seed=$value") ;;
    threads | device) common+=("--$name=$value") ;;
    every | progress) kfacstep+=("--$name=$value") ;;
    group) while read -r g; do init+=("--group=$g"); done <<<"$value" ;;
    *) init+=("--$name=$value") ;;
  esac
done

# The checkpoint appears whole or not at all; what describes it first.
if [ ! -e "$run/checkpoint.arrow" ]; then
  kfacstep init --model="${set[MODEL]}" "${init[@]}" >"$run/.checkpoint.new" || { code=$?; rm -f "$run/.checkpoint.new"; exit $code; }
  kfacstep show --checkpoint="$run/.checkpoint.new" --model >"$run/model.toml"
  printf '%q ' scripts/train.sh "$@" | sed 's/ $/\n/' >"$run/command"
  : >"$run/log.jsonl"
  mv "$run/.checkpoint.new" "$run/checkpoint.arrow"
fi
done=$(kfacstep show --checkpoint="$run/checkpoint.arrow" | sed 's/.*"step":\([0-9]*\).*/\1/')
datagen+=(--start-step="$done")
if [ -n "${set[steps]-}" ]; then
  [ "$done" -lt "${set[steps]}" ] || exit 0
  datagen+=(--count=$((set[steps] - done)))
else
  datagen+=(--epochs="${epochs:-1}")
fi

# The ring.
ring=$(mktemp -d "$run/.ring.XXXXXX")
declare -A stage
stop() { for pid in "${!stage[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done; }
trap 'rm -rf "$ring"' EXIT
for pipe in batch state gradient params forward backward; do mkfifo "$ring/$pipe"; done

datagen "${datagen[@]}" >"$ring/batch" & stage[$!]=datagen
odeforward --params="$ring/forward" "${common[@]}" <"$ring/batch" >"$ring/state" & stage[$!]=odeforward
odebackward --params="$ring/backward" "${common[@]}" <"$ring/state" >"$ring/gradient" & stage[$!]=odebackward
kfacstep --checkpoint="$run/checkpoint.arrow" --log="$run/log.jsonl" "${kfacstep[@]}" "${common[@]}" \
  <"$ring/gradient" >"$ring/params" & last=$! stage[$!]=kfacstep
tee "$ring/forward" <"$ring/params" >"$ring/backward" & stage[$!]=tee

# SIGTERM and Ctrl-C let kfacstep save first.
signal=0
interrupt() { signal=$1; kill -TERM "$last" 2>/dev/null || true; }
trap 'interrupt 15' TERM
trap 'interrupt 2' INT

status=0
while [ ${#stage[@]} -gt 0 ]; do
  code=0 pid=
  wait -n -p pid "${!stage[@]}" || code=$?
  [ -n "$pid" ] || continue # a signal came first
  unset "stage[$pid]"
  [ $code -eq 0 ] && continue
  # The first stage to fail is the cause, unless it only lost its reader; a numerical failure always tells.
  if [ $status -eq 0 ] || [ $status -eq 141 ] || [ $code -eq 3 ]; then status=$code; fi
  stop
done
[ $signal -eq 0 ] || status=$((128 + signal))
exit $status
