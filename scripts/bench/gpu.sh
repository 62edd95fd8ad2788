#!/usr/bin/env bash
# Measures the ring on a GPU against PyTorch with torchdiffeq on the same GPU, in turn.
#
#   scripts/test-gpu.sh --build DIR          where there is Go
#   DIR/scripts/bench/gpu.sh [WORKLOAD...]   on the machine with the GPU
#
# For mnist, cifar10, chart, miniboone and gas, or those that are named: milliseconds of an iteration on both sides; how busy the GPU was
# while the ring alone ran, as nvidia-smi sees it: the share of the time in which a kernel ran; and what TF32 (--tf32) does to the loss
# and to the number of evaluations. Both sides have the defaults of their libraries: PyTorch's convolutions use TF32, its products do
# not, ours use float32. PYTHON names an interpreter with torch and torchdiffeq, THREADS the threads of the host.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
python=${PYTHON:-python3} threads=${THREADS:-$(nproc)}
bin=$root/bin
[ -x "$bin/compare" ] || { echo "gpu.sh: $bin/compare is not there: see scripts/test-gpu.sh --build" >&2; exit 1; }
[ $# -gt 0 ] || set -- mnist cifar10 chart miniboone gas
work=$(mktemp -d)
watcher=
trap '[ -z "$watcher" ] || kill "$watcher" 2>/dev/null; rm -rf "$work"' EXIT

nvidia-smi --query-gpu=name,driver_version,clocks.max.sm,memory.total --format=csv,noheader
for workload in "$@"; do
  echo; echo "== $workload"
  "$bin/compare" --root="$root" --device=cuda --threads="$threads" --python="$python" --rounds=3 --steps=20 "$workload"

  nvidia-smi --query-gpu=utilization.gpu --format=csv,noheader,nounits -lms 100 >"$work/busy" &
  watcher=$!
  "$bin/compare" --root="$root" --device=cuda --threads="$threads" --python=none --rounds=1 --steps=200 --optimizer=adam "$workload" >/dev/null
  kill "$watcher"; wait "$watcher" 2>/dev/null || true
  watcher=
  # The time before the first and after the last kernel is not the ring's.
  awk '$1 > 0 { first = first ? first : NR; last = NR } { busy[NR] = $1 }
    END { for (i = first; i && i <= last; i++) sum += busy[i]
      if (first) printf "GPU busy: %.0f %% of %.1f s\n", sum / (last - first + 1), (last - first + 1) / 10; else print "GPU busy: never seen" }' "$work/busy"

  # One mini-batch of standard normal numbers through the model, in float32, in TF32, and on the processor.
  "$bin/kfacstep" init --model="$workload" --optimizer=adam >"$work/ck"
  "$bin/kfacstep" show --checkpoint="$work/ck" --model >"$work/model.toml"
  "$python" - "$work" "$(sed -n 's/^input *= *//p' "$work/model.toml" | head -n 1)" <<'P'
import json, sys
import numpy as np
shape = json.loads(sys.argv[2])
rng = np.random.default_rng(0)
np.save(sys.argv[1] + "/x.npy", rng.standard_normal([256, *shape]).astype(np.float32))
np.save(sys.argv[1] + "/y.npy", rng.integers(0, 3, 256).astype(np.int32))
P
  y=--y=$work/y.npy
  ! grep -q '^loss *= *"nll"' "$work/model.toml" || y=
  for device in --device=cpu --device=cuda "--device=cuda --tf32"; do
    printf '%-22s' "$device"
    "$bin/datagen" --x="$work/x.npy" $y --batch=256 --shuffle=false | "$bin/odeforward" --params="$work/ck" $device | "$bin/evalmodel"
  done
done
