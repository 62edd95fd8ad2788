"""Norms of the Kronecker factors by polars: python3 factors_polars.py gradient.arrow"""
import sys

import polars as pl

table = pl.read_ipc_stream(sys.argv[1])
factors = table.filter(pl.col("role").is_in(["kron_a", "kron_b"]))
norm = pl.col("value").list.eval(pl.element().pow(2).sum().sqrt()).list.first()
print(factors.select("step", "name", "role", pl.col("shape").list.first().alias("side"), norm.alias("norm")))
