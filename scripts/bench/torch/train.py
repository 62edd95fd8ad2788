"""Trains a model of odepipe's with PyTorch and torchdiffeq; the half of the comparison that is not ours.

    train.py JOB.json

writes a JSON line for each step: step, seconds, loss, nfe_forward, nfe_backward, refresh. A job has the keys model (a
model file), weights (safetensors), x, y, probes (.npy; y and probes where there are any), batch, steps, threads, device
and optimizer. Batches are consecutive rows.
"""

import json
import math
import mmap
import sys
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as functional

from layers import build
from snopt import SNOpt
from solves import Field, Flow, Ode, Series


class Model(nn.Module):
    """The blocks of a model file in order."""

    def __init__(self, spec):
        super().__init__()
        self.density = spec["loss"] == "nll"
        self.blocks, self.fields = [], []
        for entry in spec["block"]:
            if entry["type"] == "ode_rnn":
                block = Series(entry, spec["input"][1])
            elif entry["type"] in ("ode", "cnf"):
                block = {"ode": Ode, "cnf": Flow}[entry["type"]](entry)
            else:
                block = build(entry)
            if isinstance(block, nn.Module):
                self.add_module(entry["name"], block)
            if isinstance(block, Field):
                self.fields.append(block)
            self.blocks.append(block)

    def loss(self, x, y):
        """The mean loss of a mini-batch."""
        change = 0
        for block in self.blocks:
            if isinstance(block, Flow):
                x, part = block.through(x)
                change = change + part
            else:
                x = block.through(x) if isinstance(block, Field) else block(None, x)
        if not self.density:
            return functional.cross_entropy(x, y)
        base = -0.5 * x.square().sum(1) - 0.5 * x.shape[1] * math.log(2 * math.pi)
        return -(base + change).mean()


def read_safetensors(path):
    """Names and arrays: eight bytes with the length of a JSON header, the header, the values."""
    with open(path, "rb") as f:
        raw = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)
    length = int.from_bytes(raw[:8], "little")
    for name, entry in json.loads(raw[8:8 + length]).items():
        if name != "__metadata__":
            begin, end = (8 + length + offset for offset in entry["data_offsets"])
            yield name, np.frombuffer(raw[begin:end], np.float32).reshape(entry["shape"])


class Adam(torch.optim.Adam):
    """Adam, with the face that SNOpt has."""

    def __init__(self, model, settings):
        super().__init__(model.parameters(), settings["lr"], weight_decay=settings["weight_decay"])

    def zero_grad(self):
        super().zero_grad(set_to_none=True)

    def step(self, samples=None):
        super().step()


def iterate(model, optimizer, x, y, refresh):
    """One training iteration; the loss and the evaluations forward and backward."""
    for field in model.fields:
        field.evaluations = 0
    optimizer.zero_grad()
    if refresh:
        optimizer.watch()
    loss = model.loss(x, y)
    forward = sum(field.evaluations for field in model.fields)
    if refresh:
        optimizer.keep()
    loss.backward()
    if refresh:
        optimizer.refresh()
    optimizer.step(len(x))
    return loss.item(), forward, sum(field.evaluations for field in model.fields) - forward


def main():
    with open(sys.argv[1]) as f:
        job = json.load(f)
    torch.set_num_threads(job["threads"])
    device = job["device"]
    if device != "cpu":
        torch.set_default_device(device)
    model = Model(job["model"])
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name, values in read_safetensors(job["weights"]):
            parameters.pop(name).copy_(torch.from_numpy(values.copy()))
    if parameters:
        sys.exit("the weights lack " + ", ".join(parameters))
    settings = job["optimizer"]
    optimizer = {"adam": Adam, "snopt": SNOpt}[settings["name"]](model, settings)
    x, y, probes = (np.load(job[key], mmap_mode="r") if job.get(key) else None for key in ("x", "y", "probes"))

    for step in range(job["steps"]):
        rows = slice(step * job["batch"], (step + 1) * job["batch"])
        refresh = settings["name"] == "snopt" and step % settings["freq"] == 0
        began = time.perf_counter()
        if probes is not None:
            for block, field in enumerate(model.fields):
                field.probe = torch.from_numpy(np.array(probes[step, block])).to(device)
        targets = None if y is None else torch.from_numpy(np.array(y[rows])).long().to(device)
        loss, forward, backward = iterate(model, optimizer, torch.from_numpy(np.array(x[rows])).to(device), targets, refresh)
        if device != "cpu":
            torch.cuda.synchronize()
        seconds = time.perf_counter() - began
        print(json.dumps({"step": step, "seconds": seconds, "loss": loss, "nfe_forward": forward, "nfe_backward": backward,
                          "refresh": refresh}), flush=True)


if __name__ == "__main__":
    main()
