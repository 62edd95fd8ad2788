#!/usr/bin/env bash
# Table 1 of the paper for our own derivatives: how far those of float32 are from the truth, by solver and by method.
#
#   scripts/reproduce/table1.sh [--data DIR] [--batch N] [--model FILE|PRESET] [--dataset NAME]
#
# Prints |g - g*| / |g*| over the parameters of the ODE block, with the evaluations of F that the derivative took after
# those of the forward solve, for
#   dL/dtheta             by each adjoint method
#   recursive             the adjoint of the adjoint: the Hessian's diagonal estimated from 2 products
#   Theorem 1             the diagonal of Q_uu(t0), from the rows of Proposition 2 for the loss's exact factor
# once with relu in the field, as the paper has it, and once with tanh: a field with relu is not smooth, and no solver keeps
# its order there. g* is of the same weights and mini-batch in float64, sample by sample, by fine steps: each derivative has
# its own. With relu it is itself no better than 1e-4 to 1e-3: the last row, of fine steps in float32, shows that.
# The model (cifar10) has its initial weights of seed 0, the mini-batch is the first N (4) of the data set (cifar10).
# Needs Go and bash; takes 15 minutes of processor time for 4 pictures, nearly all for g*, which all cores share.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

fail() { echo "table1.sh: $1" >&2; exit "${2-1}"; }
batch=4 model=cifar10 dataset=cifar10 data=()
while [ $# -gt 0 ]; do
  case $1 in
    --help | -h) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; exit ;;
    --data=* | --batch=* | --model=* | --dataset=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" ;;
    --data | --batch | --model | --dataset)
      [ -n "${2-}" ] || fail "$1 needs a value" 2
      case $1 in
        --data) data=(--data="$2") ;;
        --batch) batch=$2 ;;
        --model) model=$2 ;;
        --dataset) dataset=$2 ;;
      esac
      shift 2 ;;
    *) fail "unexpected $1; try 'scripts/reproduce/table1.sh --help'" 2 ;;
  esac
done
[[ $batch =~ ^[1-9][0-9]*$ ]] || fail "--batch $batch: it must be a whole number above 0" 2
command -v go >/dev/null || fail "Go is needed to build; see scripts/build.sh"

work=$(mktemp -d)
trap 'jobs -p | xargs -r kill 2>/dev/null; wait; rm -rf "$work"' EXIT
CGO_ENABLED=0 go build -C "$root" -o "$work/" ./cmd/... ./scripts/reproduce/table1
PATH=$work:$PATH

# What everything starts from: the model's text and weights, the mini-batch, and each of its samples.
kfacstep init --model="$model" --optimizer=sgd --seed=0 >"$work/start"
kfacstep show --checkpoint="$work/start" --model >"$work/start.toml"
kfacstep export --checkpoint="$work/start" >"$work/weights"
datagen "$dataset" ${data[@]+"${data[@]}"} --batch="$batch" --count=1 >"$work/batch"
for ((i = 0; i < batch; i++)); do
  datagen "$dataset" ${data[@]+"${data[@]}"} --batch="$batch" --count=1 --shard="$i/$batch" >"$work/sample.$i"
done

# checkpoint FILE DTYPE FIELD SOLVER METHOD: of the model with that activation in its fields, solver and adjoint method.
checkpoint() {
  sed -E -e "1i dtype = \"$2\"" -e '/^(dtype|solver|adjoint) *=/d' \
    -e "/^type = \"ode\"/a solver = { $4 }\nadjoint = { method = \"$5\" }" \
    -e "s/^( +\{ type = \")(relu|tanh)\"/\1$3\"/" "$work/start.toml" |
    kfacstep init --model=- --optimizer=sgd --weights="$work/weights" >"$1"
}

# derive OUT CHECKPOINT SAMPLES KIND: a derivative of the loss on the samples.
declare -A how=(
  [grad]="--second-order=none"
  [hessian]="--second-order=recursive --vectors=2"
  [p]="--second-order=lowrank --terminal=exact --factors=grid --factor-step=1"
)
derive() {
  # shellcheck disable=SC2086 # several words
  odeforward --params="$2" <"$3" | odebackward --params="$2" ${how[$4]} >"$1"
}

# The truth: kind, solver and method by field. Only smooth fields reward a high order; with relu the error falls with the
# spacing of the evaluations, so that those of the dear second derivatives lie farther apart.
truth() {
  case $1-$2 in
    tanh-grad) echo 'method = "dopri8", step_size = 0.5|checkpointed' ;;
    tanh-*) echo 'method = "dopri8", step_size = 0.5|backsolve' ;;
    relu-grad) echo 'method = "rk38", step_size = 0.03125|checkpointed' ;;
    relu-*) echo 'method = "rk38", step_size = 0.0625|backsolve' ;;
  esac
}

# truths FIELD: every kind for every sample, as many at once as there are cores.
cores=$(getconf _NPROCESSORS_ONLN || echo 1)
truths() {
  local kind i setting running=0
  for kind in grad hessian p; do
    setting=$(truth "$1" "$kind")
    checkpoint "$work/truth.$kind" float64 "$1" "${setting%|*}" "${setting#*|}"
    for ((i = 0; i < batch; i++)); do
      derive "$work/truth.$kind.$i" "$work/truth.$kind" "$work/sample.$i" "$kind" &
      if ((++running >= cores)); then wait -n || fail "no truth for $1"; fi
    done
  done
  while ((running-- > 0)); do
    wait -n || [ $? -eq 127 ] || fail "no truth for $1" # 127: there are no more
  done
}

# cell FIELD SOLVER METHOD KIND: error (evaluations backwards) of a derivative; leaves those forwards in the file 'forwards'.
cell() {
  local error forwards backwards
  if [[ $3 = checkpointed && $2 = *adams* ]]; then
    echo "-" # its steps cannot be differentiated one by one
    return
  fi
  if ! { checkpoint "$work/own" float32 "$1" "$2" "$3" && derive "$work/own.stream" "$work/own" "$work/batch" "$4" &&
    read -r error forwards backwards < <(table1 "$4" "$work/own.stream" "$work/truth.$4".*); }; then
    echo failed # and the program that did has said why
    return
  fi
  echo "$forwards" >"$work/forwards"
  echo "$error ($backwards)"
}

rows=(
  'rk4, steps of 0.05|method = "rk4", step_size = 0.05'
  'implicit_adams, steps of 0.05|method = "implicit_adams", step_size = 0.05, rtol = 1e-6, atol = 1e-6'
  'dopri5, 1e-3|method = "dopri5", rtol = 1e-3, atol = 1e-3'
  'dopri5, 1e-6|method = "dopri5", rtol = 1e-6, atol = 1e-6'
  'rk4, steps of 1/64|method = "rk4", step_size = 0.015625'
)
columns=(backsolve-grad interpolated-grad checkpointed-grad backsolve-hessian backsolve-p)
line() { printf '%-30s %8s %16s %16s %16s %16s %16s\n' "$@"; }

echo "model $model, $batch samples of $dataset: relative errors of derivatives in float32 (evaluations of F for them)"
for field in relu tanh; do
  echo "table1.sh: the truth for $field" >&2
  truths "$field"
  smooth="smooth"
  [ $field != relu ] || smooth="the paper's, not smooth"
  printf '\nfield with %s (%s)\n' $field "$smooth"
  line solver forward backsolve interpolated checkpointed recursive "Theorem 1"
  for row in "${rows[@]}"; do
    cells=()
    echo - >"$work/forwards"
    for column in "${columns[@]}"; do
      cells+=("$(cell $field "${row#*|}" "${column%-*}" "${column#*-}")")
    done
    line "${row%|*}" "$(cat "$work/forwards")" "${cells[@]}"
  done
done
cat <<'PAPER'

The paper's, of its own model with relu (Table 1): dL/dtheta rk4 7.63e-5, implicit Adams 2.11e-3, dopri5 3.44e-4; by recursive
adjoint 6.84e-3, 2.50e-1, 41.10.
PAPER
