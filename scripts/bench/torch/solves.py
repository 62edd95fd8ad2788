"""ODE blocks solved by torchdiffeq with the settings of a model file."""

import torch
from torchdiffeq import odeint_adjoint
from torchdiffeq._impl.dopri5 import Dopri5Solver
from torchdiffeq._impl.odeint import SOLVERS

from layers import Chain, Linear


class Sampling(Dopri5Solver):
    """Dopri5 that shows its dense output at `points` uniform points of the interval, the first end left out, to `visit`."""

    def __init__(self, visit, points, **rest):
        super().__init__(**rest)
        self.visit, self.points = visit, points

    def integrate(self, t):
        self._before_integrate(t.to(self.dtype))
        for s in torch.linspace(t[0], t[-1], self.points + 1, dtype=self.dtype)[1:]:
            y = self._advance(s)
            self.visit(s, y)
        return torch.stack([self.y0, y])


SOLVERS["sampling"] = Sampling


class Field(Chain):
    """F of an ODE block, and how the block is solved. It counts its evaluations. `sampler`, if not None, is shown the way
    back."""

    def __init__(self, spec):
        super().__init__(spec["field"])
        self.own = tuple(self.parameters())
        self.evaluations = 0
        self.sampler = None
        self.ends = spec.get("t0", 0.0), spec.get("t1", 1.0)
        solver = spec["solver"]
        self.tolerances = {"rtol": solver.get("rtol", 1e-3), "atol": solver.get("atol", 1e-3), "method": solver.get("method", "dopri5")}
        self.semi = spec.get("adjoint", {}).get("norm") == "seminorm"

    def forward(self, t, state):
        self.evaluations += 1
        return self.run(t, state)

    def norm(self):
        """Options of the backward solve that say which parts of its state its steps follow."""
        return {"norm": "seminorm"} if self.semi else {}

    def solve(self, state, t0, t1, options=None, back=None):
        """The state at t1."""
        arguments = dict(self.tolerances)
        back = {**self.norm(), **(back or {})}
        if self.sampler is not None:
            arguments["adjoint_method"] = "sampling"
            back.update(self.sampler.along(self, state, t0, t1))
        times = torch.tensor([float(t0), float(t1)])
        end = odeint_adjoint(self, state, times, options=options, adjoint_options=back, adjoint_params=self.own, **arguments)
        return tuple(part[-1] for part in end) if isinstance(end, tuple) else end[-1]


class Ode(Field):
    """x(t1) of dx/dt = F(t, x)."""

    def through(self, x):
        return self.solve(x, *self.ends)


class Flow(Field):
    """A block of a continuous normalising flow, from t1 to t0, with c' = tr(dF/dx), exactly or as e^T (dF/dx) e."""

    probe = None

    def forward(self, t, state):
        self.evaluations += 1
        differentiable = torch.is_grad_enabled()
        with torch.enable_grad():
            x = state[0] if differentiable else state[0].detach().requires_grad_(True)
            f = self.run(t, x)
            if self.probe is None:
                trace = self.trace(f, x, differentiable)
            else:
                e_jacobian, = torch.autograd.grad(f, x, self.probe, create_graph=differentiable)
                trace = (e_jacobian * self.probe).sum(1)
        return (f, trace) if differentiable else (f.detach(), trace.detach())

    @staticmethod
    def trace(f, x, differentiable):
        total, last = 0, f.shape[1] - 1
        for k in range(last + 1):
            row, = torch.autograd.grad(f[:, k].sum(), x, create_graph=differentiable, retain_graph=differentiable or k < last)
            total = total + row[:, k]
        return total

    def norm(self):
        # Nothing on the way back depends on c: its errors are nobody's concern.
        def norm(parts):
            _, x, _, a, _, *params = parts
            return max(part.square().mean().sqrt() for part in ([x, a] if self.semi else [x, a, *params]))
        return {"norm": norm}

    def through(self, x):
        """The state on the side of the base, and by how much log p changes on the way."""
        return self.solve((x, x.new_zeros(len(x))), *reversed(self.ends))


class Series(Field):
    """A field between the points of a series [N, T, C], a unit apart, and a GRU cell at them. A solve begins with the last
    accepted step of the one before, in both directions."""

    def __init__(self, spec, channels):
        super().__init__(spec)
        hidden = spec["hidden"]
        self.hidden = hidden
        self.i2r, self.i2z = Linear(channels + hidden, hidden), Linear(channels + hidden, hidden)
        self.x2n, self.h2n = Linear(channels, hidden), Linear(hidden, hidden)
        self.last, self.last_back = torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.float64)

    def callback_accept_step(self, t, y, dt):
        self.last.copy_(dt)

    def callback_accept_step_adjoint(self, t, y, dt):
        self.last_back.copy_(dt)

    def cell(self, x, h):
        joined = torch.cat([x, h], dim=1)
        r, z = torch.sigmoid(self.i2r(None, joined)), torch.sigmoid(self.i2z(None, joined))
        n = torch.tanh(self.x2n(None, x) + r * self.h2n(None, h))
        return (1 - z) * n + z * h

    def through(self, x):
        points = x.shape[1]
        h = self.cell(x[:, 0], x.new_zeros(len(x), self.hidden))
        for i in range(1, points):
            options = {"first_step": self.last} if i > 1 else {}
            back = {"first_step": self.last_back} if i < points - 1 else {}
            h = self.cell(x[:, i], self.solve(h, i - 1.0, float(i), options, back))
        return h
