"""Layers of a model file, with the parameter names and shapes of odepipe's checkpoints: forward(t, x) -> y."""

import torch
import torch.nn as nn
import torch.nn.functional as functional

ACTIVATIONS = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "softplus": functional.softplus,
    "gelu": functional.gelu,
    "silu": functional.silu,
    "elu": functional.elu,
}


class Affine:
    """What affine layers share: with time = "concat", t is input (channel) 0. While `seen` is a list, every evaluation adds
    (input, output) to it."""

    seen = None
    timed = False

    def widen(self, t, x):
        if not self.timed:
            return x
        return torch.cat([t.expand(len(x), 1, *x.shape[2:]), x], dim=1)

    def note(self, z, h):
        if self.seen is not None:
            self.seen.append((z, h))
        return h


class Linear(Affine, nn.Linear):
    """y = W [t, x] + b."""

    def __init__(self, inputs, outputs, bias=True, timed=False):
        super().__init__(inputs + timed, outputs, bias)
        self.timed = timed

    def forward(self, t, x):
        z = self.widen(t, x)
        return self.note(z, functional.linear(z, self.weight, self.bias))


class Conv2d(Affine, nn.Conv2d):
    """y = W * [t, x] + b."""

    def __init__(self, spec):
        timed = spec.get("time") == "concat"
        super().__init__(spec["in"] + timed, spec["out"], spec["kernel"], spec.get("stride", 1), spec.get("padding", 0),
                         bias=spec.get("bias", True))
        self.timed = timed

    def forward(self, t, x):
        z = self.widen(t, x)
        return self.note(z, self._conv_forward(z, self.weight, self.bias))


class ConcatSquash(Linear):
    """y = (W x + b) sigmoid(w_g t + b_g) + w_h t."""

    def __init__(self, inputs, outputs, bias=True):
        super().__init__(inputs, outputs, bias)
        self.gate = Linear(1, outputs)
        self.shift = Linear(1, outputs, bias=False)

    def forward(self, t, x):
        # Once for all samples, but where the outputs are wanted of each for its Kronecker pair.
        time = t.reshape(1, 1) if self.seen is None else t.expand(len(x), 1)
        return super().forward(t, x) * torch.sigmoid(self.gate(t, time)) + self.shift(t, time)


class Chain(nn.Module):
    """Layers in order; those with parameters are modules of their names."""

    def __init__(self, specs):
        super().__init__()
        self.layers = []
        for spec in specs:
            layer = build(spec)
            if isinstance(layer, nn.Module):
                self.add_module(spec["name"], layer)
            self.layers.append(layer)

    def run(self, t, x):
        for layer in self.layers:
            x = layer(t, x)
        return x


def build(spec):
    """The layer of an entry of a model file, as a callable of (t, x)."""
    kind, bias = spec["type"], spec.get("bias", True)
    if kind == "linear":
        return Linear(spec["in"], spec["out"], bias, spec.get("time") == "concat")
    if kind == "concatsquash":
        return ConcatSquash(spec["in"], spec["out"], bias)
    if kind == "conv2d":
        return Conv2d(spec)
    if kind == "avgpool2d":
        return lambda t, x: functional.avg_pool2d(x, spec["kernel"])
    if kind == "flatten":
        return lambda t, x: x.flatten(1)
    activation = ACTIVATIONS[kind]
    return lambda t, x: activation(x)
