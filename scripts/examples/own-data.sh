#!/usr/bin/env bash
# Trains on arrays of one's own: x.npy [rows, features], y.npy [rows] of classes. Here NumPy makes them.
set -euo pipefail
python3 - <<'END'
import numpy as np
random = np.random.default_rng(0)
x = random.normal(size=(512, 2)).astype(np.float32)
np.save("x.npy", x)
np.save("y.npy", (x[:, 0] * x[:, 1] > 0).astype(np.int32))
END
scripts/train.sh scripts/models/spirals.toml ./x.npy runs/own --y=y.npy --batch=64 --steps=100 --optimizer=snopt
bin/datagen --x=x.npy --y=y.npy --batch=512 | bin/odeforward --params=runs/own/checkpoint.arrow | bin/evalmodel
