"""Norms of all tensors by SQL: python3 factors_duckdb.py gradient.arrow"""
import sys

import duckdb
import pyarrow as pa

tensors = pa.ipc.open_stream(sys.argv[1]).read_all()
print(duckdb.sql("""
    select step, role, name, any_value(shape) as shape, sqrt(sum(v * v)) as norm
    from (select step, role, name, shape, unnest(value) as v from tensors)
    where role in ('kron_a', 'kron_b') group by step, role, name order by norm desc
"""))
