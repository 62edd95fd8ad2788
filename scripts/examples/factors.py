"""Condition numbers of the Kronecker factors of a gradient stream: python3 factors.py gradient.arrow"""
import sys

import numpy as np
import pyarrow as pa

for batch in pa.ipc.open_stream(sys.argv[1]):
    for row in batch.to_pylist():
        if row["role"] in ("kron_a", "kron_b"):
            values = np.linalg.eigvalsh(np.reshape(row["value"], row["shape"]))
            print(row["step"], row["name"], row["role"], f"largest {values[-1]:.3g}, smallest {values[0]:.3g}")
