#!/usr/bin/env bash
# Builds odepipe, trains a small Neural ODE on the generated 'spirals' with SNOpt and with Adam, and compares them.
# Under a minute on two cores. The runs stay in runs/quickstart, with a picture of both learning curves.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/build.sh
PATH=$PWD/bin:$PATH

runs=runs/quickstart
rm -rf "$runs"
mkdir -p "$runs"
for optimizer in snopt adam; do
  settings=(--lr=0.02)
  [ $optimizer = snopt ] && settings=(--lr=0.02 --freq=50)
  scripts/train.sh scripts/models/spirals.toml spirals "$runs/$optimizer" --epochs=6 --optimizer=$optimizer "${settings[@]}"
  datagen spirals --split=test --batch=500 | odeforward --params="$runs/$optimizer/checkpoint.arrow" |
    evalmodel >"$runs/$optimizer/test.json"
  printf '%-6s test accuracy %s\n' $optimizer "$(sed 's/.*"accuracy": *\([0-9.e-]*\).*/\1/' "$runs/$optimizer/test.json")"
done
go run ./scripts/plot -o "$runs/curves.png" "$runs/snopt" "$runs/adam"
echo "learning curves: $runs/curves.png"
