"""Reads a sample stream, a tensor stream, a checkpoint and a trace with pyarrow, checks them, and writes the first three
again.

Usage: pyarrow_reads.py FOLDER   with samples, tensors, checkpoint and trace in it; samples.out and so on are added.
"""

import pathlib
import sys

import numpy as np
import pyarrow as pa

folder = pathlib.Path(sys.argv[1])


def same(got, want):
    if got != want:
        sys.exit(f"got {got!r}, want {want!r}")


def copy(table, name, new_writer):
    with pa.OSFile(str(folder / (name + ".out")), "wb") as f, new_writer(f, table.schema) as writer:
        for batch in table.to_batches():
            writer.write_batch(batch)


def read_samples():
    with pa.OSFile(str(folder / "samples")) as f, pa.ipc.open_stream(f) as reader:
        batches = list(reader)
    table = pa.Table.from_batches(batches)
    same([b.num_rows for b in batches], [3, 3, 3])
    same(table.schema.metadata[b"odepipe.stream"], b"batch")
    x, logp = table.schema.field("x").type, table.schema.field("logp").type
    same([type(x), x.shape, x.value_type], [pa.FixedShapeTensorType, [2, 1, 2], pa.float32()])
    same([type(logp), logp.shape, logp.value_type], [pa.FixedShapeTensorType, [1], pa.float64()])
    same([table.schema.field(n).type for n in ("step", "y", "loss")], [pa.int64(), pa.int32(), pa.float32()])
    second = batches[1].column("x").to_numpy_ndarray()
    same(second.shape, (3, 2, 1, 2))
    same(second.ravel().tolist(), (1 + np.arange(12) / 8).tolist())
    for batch in batches:
        batch.validate(full=True)
    copy(table, "samples", pa.ipc.new_stream)


def check_tensors(table, step, element):
    same(table.schema.metadata[b"odepipe.version"], b"1")
    same(table.schema.metadata[b"odepipe.stream"], b"params")
    same(table.schema.metadata[b"odepipe.lr"], b"0.1")
    same(table.schema.names, ["step", "name", "role", "shape", "value", "crc32c"])
    same([table.schema.field(n).type.value_type for n in ("shape", "value")], [pa.int32(), element])
    first = table.to_pylist()[0]
    same([first["name"], first["role"], first["shape"]], ["fc.weight", "param", [2, 3]])
    same([first["step"], first["value"]], [step, (step + np.arange(6) / 8).tolist()])
    table.validate(full=True)


def read_tensors():
    with pa.OSFile(str(folder / "tensors")) as f, pa.ipc.open_stream(f) as reader:
        batches = list(reader)
    for step, batch in enumerate(batches):
        check_tensors(pa.Table.from_batches([batch]), step, pa.float32())
    same(len(batches), 3)
    copy(pa.Table.from_batches(batches), "tensors", pa.ipc.new_stream)


def read_checkpoint():
    with pa.OSFile(str(folder / "checkpoint")) as f, pa.ipc.open_file(f) as reader:
        table = reader.read_all()
    check_tensors(table, 7, pa.float64())
    copy(table, "checkpoint", pa.ipc.new_file)


def read_trace():
    with pa.OSFile(str(folder / "trace")) as f, pa.ipc.open_stream(f) as reader:
        batches = list(reader)
    same([b.num_rows for b in batches], [3, 0, 2])
    for batch in batches:
        batch.validate(full=True)
    table = pa.Table.from_batches(batches)
    same(table.schema.metadata[b"odepipe.stream"], b"trace")
    same(
        [(f.name, f.type, f.nullable) for f in table.schema],
        [
            ("step", pa.int64(), False),
            ("block", pa.string(), False),
            ("direction", pa.string(), False),
            ("t", pa.float64(), False),
            ("h", pa.float64(), False),
            ("error", pa.float64(), True),
            ("accepted", pa.bool_(), False),
            ("evaluations", pa.int32(), False),
            ("seconds", pa.float64(), False),
        ],
    )
    same([list(row.values()) for row in table.to_pylist()][1:4], [
        [0, "ode", "forward", 0.25, 1.5, np.inf, False, 13, 0.25],
        [0, "ode", "backward", 1.0, -0.5, None, True, 4, 0.0625],
        [2, "ode", "forward", 0.25, 1.5, np.inf, False, 13, 0.25],
    ])


read_samples()
read_tensors()
read_checkpoint()
read_trace()
