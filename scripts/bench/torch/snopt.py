"""SNOpt (Liu, Chen, Theodorou 2021): Kronecker factors along the backward solve, and EKFAC's scaling in their eigenbases."""

import fnmatch
import math

import torch
import torch.nn.functional as functional

from layers import Affine, Conv2d


class Factors:
    """A += w_a E[z z^T], B += w_b E[g g^T] of one layer, a constant 1 behind z where there is a bias: means over samples; A
    is a sum, B a mean over the positions of a convolution."""

    def __init__(self, layer):
        self.layer = layer
        out = layer.weight.shape[0]
        inputs = layer.weight[0].numel()
        self.bias = layer.bias is not None
        self.a, self.b = torch.zeros(inputs + self.bias, inputs + self.bias), torch.zeros(out, out)

    def add(self, z, g, weight_a, weight_b):
        samples = len(z)
        if isinstance(self.layer, Conv2d):
            c = self.layer
            z = functional.unfold(z, c.kernel_size, padding=c.padding, stride=c.stride)  # [N, K, positions]
            z, g = z.transpose(0, 1).flatten(1), g.transpose(0, 1).flatten(1)
        else:
            z, g = z.t(), g.t()
        inputs, columns = z.shape
        weight_a, weight_b = weight_a / samples, weight_b / columns
        self.a[:inputs, :inputs].addmm_(z, z.t(), alpha=weight_a)
        if self.bias:
            total = z.sum(1) * weight_a
            self.a[:inputs, -1] += total
            self.a[-1, :inputs] += total
            self.a[-1, -1] += columns * weight_a
        self.b.addmm_(g, g.t(), alpha=weight_b)


class Sampler:
    """Adds the factors of a field's layers at the points of a grid of the backward solve, where the cotangent is a:
    q = N a / sqrt(|t1 - t0|)."""

    def __init__(self, factors, spacing):
        self.factors, self.spacing = factors, spacing

    def along(self, field, state, t0, t1):
        """Options of the solver that shows its way."""
        parts = state if isinstance(state, tuple) else (state,)
        shapes, sizes = [p.shape for p in parts], [p.numel() for p in parts]
        length, sign = abs(t1 - t0), -1.0 if t1 > t0 else 1.0
        points = max(1, math.ceil(length / self.spacing - 1e-9))
        ends = sum(sizes)

        def visit(s, flat):
            y, a = ([part.view(shape) for part, shape in zip(half.split(sizes), shapes)]
                    for half in (flat[1:1 + ends], flat[1 + ends:1 + 2 * ends]))
            self.sample(field, (sign * s).float(), y, a, length / points, length)
        return {"visit": visit, "points": points}

    def sample(self, field, t, y, a, dt, length):
        layers = [m for m in field.modules() if m in self.factors]
        with torch.enable_grad():
            for layer in layers:
                layer.seen = []
            y = [part.detach().requires_grad_(True) for part in y]
            f = field(t, tuple(y) if len(y) > 1 else y[0])
            pairs = [layer.seen.pop() for layer in layers]
            for layer in layers:
                layer.seen = None
            cotangents = torch.autograd.grad(f, [h for _, h in pairs], tuple(a) if len(a) > 1 else a[0])
        samples = len(y[0])
        with torch.no_grad():
            for layer, (z, _), g in zip(layers, pairs, cotangents):
                self.factors[layer].add(z.detach(), g, dt, dt * samples ** 2 / length)


class SNOpt:
    """Algorithm 2 before plain SGD; parameters that match `others` have Adam."""

    def __init__(self, model, settings):
        self.settings, self.fields = settings, model.fields
        others = settings.get("others")
        first, second, self.layers = [], [], {}
        for name, p in model.named_parameters():
            (second if others and matches(name, others["pattern"]) else first).append(p)
        own = {id(p) for p in first}
        for layer in model.modules():
            if isinstance(layer, Affine) and id(layer.weight) in own:
                self.layers[layer] = None  # until the first refresh
        within = {m for field in self.fields for m in field.modules()}
        self.outside = [layer for layer in self.layers if layer not in within]
        self.steps = [torch.optim.SGD(first, settings["lr"], momentum=settings["momentum"])]
        if second:
            self.steps.append(torch.optim.Adam(second, others["lr"]))
        self.factors = None

    def zero_grad(self):
        for step in self.steps:
            step.zero_grad(set_to_none=True)

    def watch(self):
        """Before the forward pass of a refresh: what it and its way back go through is sampled."""
        self.factors = {layer: Factors(layer) for layer in self.layers}
        for field in self.fields:
            field.sampler = Sampler(self.factors, self.settings["spacing"])
        for layer in self.outside:
            layer.seen = []

    def keep(self):
        """Between the passes of a refresh."""
        for layer in self.outside:
            layer.seen[0][1].retain_grad()

    def refresh(self):
        """After the passes of a refresh: new eigenbases."""
        for layer in self.outside:
            (z, h), layer.seen = layer.seen[0], None
            self.factors[layer].add(z.detach(), h.grad, 1.0, float(len(z)) ** 2)
        for field in self.fields:
            field.sampler = None
        for layer, factors in self.factors.items():
            s_a, u_a = torch.linalg.eigh(factors.a)
            s_b, u_b = torch.linalg.eigh(factors.b)
            self.layers[layer] = u_a, u_b, torch.outer(s_b, s_a)
        self.factors = None

    def step(self, samples):
        alpha, eps, decay = (self.settings[name] for name in ("alpha", "eps", "weight_decay"))
        with torch.no_grad():
            for layer, (u_a, u_b, s) in self.layers.items():
                weight, bias = layer.weight, layer.bias
                if decay:
                    for p in layer.parameters(recurse=False):
                        p.grad.add_(p, alpha=decay)
                g = weight.grad.flatten(1)
                if bias is not None:
                    g = torch.cat([g, bias.grad[:, None]], 1)
                g = u_b.t() @ g @ u_a
                s.mul_(alpha).addcmul_(g, g, value=(1 - alpha) * samples)
                g = u_b @ g.div_(s + eps) @ u_a.t()
                if bias is not None:
                    bias.grad.copy_(g[:, -1])
                    g = g[:, :-1]
                weight.grad.copy_(g.reshape(weight.shape))
        for step in self.steps:
            step.step()


def matches(name, pattern):
    """Whether a pattern with * fits a name; behind ! one that must not."""
    if pattern.startswith("!"):
        return not fnmatch.fnmatchcase(name, pattern[1:])
    return fnmatch.fnmatchcase(name, pattern)
