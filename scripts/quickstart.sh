#!/usr/bin/env bash
# Builds odepipe, trains a small Neural ODE on the generated 'spirals' with SNOpt and with Adam, and compares them.
# Under a minute on two cores. The runs stay in runs/quickstart, with a picture of both learning curves.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/build.sh
PATH=$PWD/bin:$PATH
go build -o bin/ ./scripts/plot & # needed last: it is built while the models train
plot=$!

runs=runs/quickstart
rm -rf "$runs"
mkdir -p "$runs"

train() { # OPTIMIZER SETTING...
  local run=$runs/$1
  scripts/train.sh scripts/models/spirals.toml spirals "$run" --epochs=10 --optimizer="$@"
  datagen spirals --split=test --batch=500 | odeforward --params="$run/checkpoint.arrow" | evalmodel >"$run/test.json"
  printf '%-6s test accuracy %s\n' "$1" "$(sed 's/.*"accuracy": *\([0-9.e-]*\).*/\1/' "$run/test.json")"
}
# Each with the best of a sweep over seeds 1 and 2: SNOpt's rate 0.03 to 0.12 and eps 0.01 and 0.05, Adam's rate 0.003 to 0.012.
train snopt --lr=0.05 --eps=0.01 --freq=50
train adam --lr=0.008

wait $plot
plot -o "$runs/curves.png" "$runs/snopt" "$runs/adam"
echo "learning curves: $runs/curves.png"
