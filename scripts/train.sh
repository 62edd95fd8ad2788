#!/usr/bin/env bash
# Trains a model with the ring: all stages stay up, kfacstep feeds its parameters back to odeforward and odebackward.
#
#   scripts/train.sh MODEL DATASET RUNDIR [--steps N | --epochs E] [--batch B] [--seed S] [--optimizer O]
#                    [settings of the optimizer] [--data DIR] [--y F] [--split S] [--every N] [--threads N]
#                    [--device D] [--cpu K] [--tf32] [--retries N] [--on-nonfinite fail|skip] [--dump DIR]
#
# MODEL is a preset ('kfacstep presets') or a TOML file; DATASET a name that 'datagen list' shows, or a .npy or .csv file.
# RUNDIR gets checkpoint.arrow, log.jsonl, model.toml and command, the line that repeats the run. A RUNDIR with a
# checkpoint is resumed, settings left out are those of its command; settings that contradict it are an error.
# --split, --split-seed, --fraction, --shuffle, --drop-last, --augment, --length, --times, --t0, --t1 are datagen's.
# Everything else, such as --lr=0.01 or --group='fc.*=adam', goes to 'kfacstep init'. Ctrl-C and SIGTERM save first.
# --retries=N: a run that fails numerically (status 3) begins again from its last checkpoint with 10 times the damping
# eps, which it keeps, at most N times. --on-nonfinite=skip leaves out steps that kfacstep cannot take; --dump=DIR keeps
# what repeats a failure.
# Exit status: that of the stage that failed first; 2 wrong usage; 128 + n after signal n.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PATH=$root/bin:$PATH

usage() { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; }
fail() { echo "train.sh: $1" >&2; exit "${2-1}"; }
[ -x "$root/bin/kfacstep" ] || fail "the programs are not built yet: run scripts/build.sh"

# parse WORD...: fills the associative array 'set', an entry per setting; a repeated --group is joined by line breaks.
switches=" --tf32 $(kfacstep init --help | sed -n 's/^ *\(--[a-z-]*\) BOOL.*/\1/p' | tr '\n' ' ')"
declare -A set
parse() {
  local words=() name value
  while [ $# -gt 0 ]; do
    name=${1%%=*}
    case $1 in
      --help | -h) usage; exit 0 ;;
      --*=*) value=${1#*=}; shift ;;
      --*)
        if [[ $switches = *" $1 "* ]]; then set -- "$1" true "${@:2}"; fi
        [ $# -ge 2 ] || fail "$1 needs a value" 2
        value=$2; shift 2 ;;
      -?*) fail "unknown flag $1; try 'scripts/train.sh --help'" 2 ;;
      *) words+=("$1"); shift; continue ;;
    esac
    name=${name#--}
    case $name in
      group) value=${set[group]+${set[group]}$'\n'}$value ;;
      data | y | length | times | t0 | t1 | weights | dump) value=$(realpath -m -- "$value") ;;
      steps | epochs | every | retries) [[ $value =~ ^[0-9]+$ ]] || fail "--$name $value: it must be a whole number" 2 ;;
    esac
    set[$name]=$value
  done
  [ ${#words[@]} -eq 3 ] || fail "expected MODEL DATASET RUNDIR; try 'scripts/train.sh --help'" 2
  [ -z "${set[steps]-}" ] || [ -z "${set[epochs]-}" ] || fail "--steps and --epochs exclude each other" 2
  set[MODEL]=$(path "${words[0]}") set[DATASET]=$(path "${words[1]}") run=$(realpath -m -- "${words[2]}")
}
path() { case $1 in *[./]*) realpath -m -- "$1" ;; *) echo "$1" ;; esac; } # names have neither slash nor dot

# inherit: a run lends the settings that are left out, and insists on those that decide its numbers.
inherit() {
  local here=$run name line
  local -A now
  for name in "${!set[@]}"; do now[$name]=${set[$name]}; done
  read -r line <"$here/command" || fail "$here has a checkpoint but no command to compare with"
  set=()
  eval "parse ${line#* }"
  run=$here
  if [ -f "${now[MODEL]}" ]; then
    cmp -s "${now[MODEL]}" "$run/model.toml" ||
      fail "$run was made with another MODEL, its model.toml, not ${now[MODEL]}; take another RUNDIR"
    now[MODEL]=${set[MODEL]}
  fi
  for name in "${!now[@]}"; do
    case $name in
      steps | epochs) unset 'set[steps]' 'set[epochs]' ;;
      threads | device | cpu | tf32 | every | progress | data | retries | on-nonfinite | dump) ;;
      *) [ "${set[$name]-}" = "${now[$name]}" ] ||
        fail "$run was made with $name ${set[$name]-left at its default}, not ${now[$name]}; take another RUNDIR" ;;
    esac
    set[$name]=${now[$name]}
  done
}

# remember: writes the line that repeats the run, for inherit and for people.
remember() {
  local name value
  {
    printf '%q ' "$root/scripts/train.sh" "${set[MODEL]}" "${set[DATASET]}" "$run"
    for name in $(printf '%s\n' "${!set[@]}" | sort); do
      case $name in MODEL | DATASET) continue ;; esac
      while IFS= read -r value; do printf -- '--%s=%q ' "$name" "$value"; done <<<"${set[$name]}"
    done
  } | sed 's/ $//' >"$run/.command"
  echo >>"$run/.command"
  mv "$run/.command" "$run/command"
}

parse "$@"
ring=$(mktemp -d)
created=
trap 'rm -rf "$ring"; [ -z "$created" ] || rmdir "$run" 2>/dev/null || true' EXIT
[ -d "$run" ] || created=yes
mkdir -p "$run"
# The lock lasts until the last stage is gone.
exec {lock}<"$run"
! command -v flock >/dev/null || flock -n "$lock" || fail "$run is in use by another train.sh"
[ ! -e "$run/checkpoint.arrow" ] || inherit

# What the stages get.
datagen=() common=() init=() kfacstep=() solving=()
read -r batch epochs droplast <<<"$(kfacstep presets | awk -v m="${set[MODEL]}" '$1 == m {print $2, $3, $4}')"
datagen+=(--batch="${set[batch]-${batch:-128}}" --shuffle="${set[shuffle]-true}" --drop-last="${set[drop-last]-${droplast:-true}}")
case ${set[DATASET]} in
  /*) datagen+=(--x="${set[DATASET]}") ;;
  *) datagen+=("${set[DATASET]}") ;;
esac
[ ! -t 2 ] || kfacstep+=(--progress=always)
for name in "${!set[@]}"; do
  value=${set[$name]}
  case $name in
    MODEL | DATASET | steps | epochs | batch | shuffle | drop-last) ;;
    data | y | length | times | t0 | t1 | split | split-seed | fraction | augment) datagen+=("--$name=$value") ;;
    seed) datagen+=("--seed=$value"); [ -n "${set[weights]-}" ] || init+=("--seed=$value") ;;
    threads | device | cpu | tf32) common+=("--$name=$value") ;;
    every | progress | on-nonfinite) kfacstep+=("--$name=$value") ;;
    dump) solving+=("--dump=$value"); [ "${set[on-nonfinite]-}" = skip ] || kfacstep+=("--dump=$value") ;;
    retries) ;;
    group) while IFS= read -r g; do init+=("--group=$g"); done <<<"$value" ;;
    *) init+=("--$name=$value") ;;
  esac
done

# A run begins once its settings are accepted and a first mini-batch passes; its checkpoint appears last and whole.
if [ ! -e "$run/checkpoint.arrow" ]; then
  kfacstep init --model="${set[MODEL]}" "${init[@]}" >"$ring/checkpoint"
  datagen "${datagen[@]}" --count=1 >"$ring/batch"
  odeforward --divergence=model --params="$ring/checkpoint" "${common[@]}" <"$ring/batch" >"$ring/state"
  created=
  kfacstep show --checkpoint="$ring/checkpoint" --model >"$run/model.toml"
  : >"$run/log.jsonl"
  remember
  cp "$ring/checkpoint" "$run/.checkpoint"
  mv "$run/.checkpoint" "$run/checkpoint.arrow"
  rm "$ring"/*
else
  remember
fi
# settle: removes what a killed run may have left, a half-written checkpoint, and a log that is ahead of the whole one. It
# leaves the checkpoint's step in 'done'.
settle() {
  rm -f "$run"/.checkpoint.arrow.*
  done=$(kfacstep show --checkpoint="$run/checkpoint.arrow" | sed 's/.*"step":\([0-9]*\).*/\1/')
  [ -e "$run/log.jsonl" ] || return 0
  awk -v done="$done" 'match($0, /"step":[0-9]+/) && substr($0, RSTART + 7, RLENGTH - 7) + 0 < done + 0' \
    "$run/log.jsonl" >"$run/.log" && mv "$run/.log" "$run/log.jsonl" || { rm -f "$run/.log"; return 1; }
}
settle
datagen+=(--start-step="$done")
if [ -n "${set[steps]-}" ]; then
  [ "$done" -lt "${set[steps]}" ] || exit 0
  datagen+=(--count=$((set[steps] - done)))
else
  datagen+=(--epochs="${set[epochs]-${epochs:-1}}")
fi

# launch NAME IN OUT COMMAND...: starts a stage in a process group of its own, out of reach of the terminal's Ctrl-C;
# reports on 'ended' how it ended.
declare -A group
launch() {
  local name=$1 in=$2 out=$3
  shift 3
  {
    trap : TERM HUP
    code=0
    "$@" <"$in" >"$out" 2>&"$messages" || code=$?
    echo "$name $code" >&"$report"
  } 2>/dev/null &
  group[$name]=$!
}
stop() { kill -TERM -- "${@/#/-}" 2>/dev/null || true; }

# relay: passes warnings and progress on at once; a complaint waits until it is known whose was the cause.
relay() {
  while IFS= read -r line || [ -n "$line" ]; do
    case $line in
      *": warning: "* | "kfacstep: "[0-9]*" steps, "*) printf '%s\n' "$line" >&2 ;;
      *) printf '%s\n' "$line" >>"$ring/complaints" ;;
    esac
  done
}

# The ring. SIGTERM and Ctrl-C let kfacstep save first; it is told once, a second signal would kill it.
set -m
mkfifo "$ring"/{batch,state,gradient,params,forward,backward,ended,messages}
: >"$ring/complaints"
signal=0
interrupt() {
  signal=$1
  [ -n "${group[kfacstep]-}" ] || return 0
  stop "${group[kfacstep]}"
  unset 'group[kfacstep]'
}
trap 'interrupt 1' HUP
trap 'interrupt 2' INT
trap 'interrupt 15' TERM
exec {report}<>"$ring/ended" {messages}<>"$ring/messages" {ended}<"$ring/ended"
relay <"$ring/messages" {messages}>&- &
launch datagen /dev/null "$ring/batch" datagen "${datagen[@]}"
launch odeforward "$ring/batch" "$ring/state" odeforward --divergence=model --params="$ring/forward" "${solving[@]}" "${common[@]}"
launch odebackward "$ring/state" "$ring/gradient" odebackward --params="$ring/backward" "${solving[@]}" "${common[@]}"
launch kfacstep "$ring/gradient" "$ring/params" \
  kfacstep --checkpoint="$run/checkpoint.arrow" --log="$run/log.jsonl" "${kfacstep[@]}" "${common[@]}"
launch tee "$ring/params" "$ring/backward" tee "$ring/forward"
exec {report}>&- {messages}>&-
[ $signal -eq 0 ] || interrupt $signal

# The reports end when every stage, and the relay with the last message, is gone.
declare -A ends
first=0
while read -r name code <&"$ended"; do
  ends[$name]=$code
  [ "$code" -ne 0 ] && [ $first -eq 0 ] || continue
  first=$code
  # What a stage could not compute with is not to be saved: kfacstep gets SIGHUP, which it does not catch.
  if [ "$code" -lt 128 ] && [ $signal -eq 0 ]; then
    kill -HUP -- "-${group[kfacstep]}" 2>/dev/null || true
    unset 'group[kfacstep]'
  fi
  stop "${group[@]}"
done
settle || true # the next start does it again
case $signal-${ends[kfacstep]-} in
  0-*) ;;
  *-0 | *-143) exit $((128 + signal)) ;; # saved
esac

# The cause is a stage that a signal killed, else the first to complain: it did so before its streams broke.
cause=$(sed -n '1s/:.*//p' "$ring/complaints")
for name in "${!ends[@]}"; do
  case ${ends[$name]} in
    129 | 141 | 143) ;; # told to stop, or its reader went away
    12[89] | 1[3-9]? | 2??) fail "$name was killed by SIG$(kill -l "${ends[$name]}")" "${ends[$name]}" ;;
  esac
done
if [ -n "$cause" ] && [ "${ends[$cause]-0}" -ne 0 ]; then
  first=${ends[$cause]}
  sed -i "/^$cause: /!d" "$ring/complaints"
fi
cat "$ring/complaints" >&2
tried=${ODEPIPE_RETRIED-0}
[ $first -eq 3 ] && [ $tried -lt "${set[retries]-0}" ] || exit $first

# Once more, with raised damping. What the next attempt does not know by itself it has from the run's command.
kfacstep raise --checkpoint="$run/checkpoint.arrow" --factor=10 || exit 3
echo "train.sh: warning: begins again from the last checkpoint with 10 times the damping, time $((tried + 1)) of ${set[retries]}" >&2
rm -rf "$ring"
exec {lock}<&- {ended}<&-
ODEPIPE_RETRIED=$((tried + 1)) exec "$root/scripts/train.sh" "${set[MODEL]}" "${set[DATASET]}" "$run"
