"""Writes reference.json: what torchdiffeq does on a handful of problems, for solve_test.go. Needs torch, torchdiffeq.

    python3 reference.py > reference.json
"""

import json

import torch
from torchdiffeq import __version__, odeint

torch.set_default_dtype(torch.float64)


def arenstorf(t, x):
    mu = 12277471e-9
    d1 = ((x[0] + mu) ** 2 + x[1] ** 2) ** 1.5
    d2 = ((x[0] - (1 - mu)) ** 2 + x[1] ** 2) ** 1.5
    return torch.stack([
        x[2], x[3],
        x[0] + 2 * x[3] - (1 - mu) * (x[0] + mu) / d1 - mu * (x[0] - (1 - mu)) / d2,
        x[1] - 2 * x[2] - (1 - mu) * x[1] / d1 - mu * x[1] / d2,
    ])


FIELDS = {
    "exp_decay": lambda t, x: -2 * x,
    "forced": lambda t, x: -x + torch.sin(3 * t),
    "van_der_pol": lambda t, x: torch.stack([x[1], (1 - x[0] ** 2) * x[1] - x[0]]),
    "lotka_volterra": lambda t, x: torch.stack([1.5 * x[0] - x[0] * x[1], x[0] * x[1] - 3 * x[1]]),
    "stiff_linear": lambda t, x: torch.tensor([[-1.0, 3, 0], [-3, -1, 0], [1, 2, -80]]) @ x,
    "arenstorf": arenstorf,
    "zero": lambda t, x: 0 * x,
}
# system, t0, t1, x0, rtol, atol
ADAPTIVE = [
    ("exp_decay", 0, 3, [1], 1e-3, 1e-3),
    ("exp_decay", 0, 3, [1], 1e-7, 1e-9),
    ("exp_decay", 3, 0, [0.01], 1e-6, 1e-6),
    ("forced", 0, 5, [0.5], 1e-3, 1e-3),
    ("forced", 0, 5, [0.5], 1e-5, 1e-5),
    ("forced", 0, 5, [0], 1e-10, 1e-10),
    ("van_der_pol", 0, 10, [2, 0], 1e-3, 1e-3),
    ("van_der_pol", 0, 10, [2, 0], 1e-7, 1e-9),
    ("van_der_pol", 0, 10, [2, 0], 0, 1e-6),
    ("lotka_volterra", 0, 10, [1, 1], 1e-3, 1e-6),
    ("lotka_volterra", 2, 0, [1, 1], 1e-8, 1e-8),
    ("stiff_linear", 0, 2, [1, 0.5, -1], 1e-3, 1e-3),
    ("stiff_linear", 0, 2, [1, 0.5, -1], 1e-8, 1e-10),
    ("arenstorf", 0, 8.5, [0.994, 0, 0, -2.0015851063790824], 1e-6, 1e-6),
    ("zero", 0, 1, [1], 1e-3, 1e-3),
    ("zero", 0, 1, [0], 1e-3, 1e-3),
]
# system, t0, t1, x0, step size or None
FIXED = [
    ("forced", 0, 5, [0.5], 0.1),
    ("forced", 0, 5, [0.5], 0.3),
    ("forced", 0, 0.7, [0.5], 0.1),
    ("forced", 0.1, 0.4, [0.5], 0.1),
    ("lotka_volterra", 2, 0, [1, 1], 0.03),
    ("exp_decay", 0, 1, [1], None),
    ("exp_decay", 0, 1, [1], 2.5),
]
# Steps that divide the interval: torchdiffeq takes a shorter last one with the coefficients of equal steps.
MULTISTEP = [
    ("forced", 0, 1, [0.5], 1 / 512),
    ("forced", 0, 0.5, [0.5], 0.25),
    ("lotka_volterra", 2, 0, [1, 1], 1 / 2048),
    ("exp_decay", 0, 1, [1], None),
    ("exp_decay", 0, 1, [1], 1 / 2048),
]


class Counted(torch.nn.Module):
    """Counts evaluations and tried steps; with quadrature, the state is (x, integral of sum x^2)."""

    def __init__(self, f, quadrature=False):
        super().__init__()
        self.f, self.quadrature = f, quadrature
        self.evaluations = self.steps = self.accepted = self.rejected = 0
        self.last = None  # x at the start of the last accepted step

    def forward(self, t, x):
        self.evaluations += 1
        if self.quadrature:
            return self.f(t, x[0]), (x[0] ** 2).sum().reshape(1)
        return self.f(t, x)

    def callback_accept_step(self, t, x, dt):
        self.accepted += 1
        self.last = (torch.cat(x) if isinstance(x, tuple) else x).tolist()

    def callback_step(self, t, x, dt):
        self.steps += 1

    def callback_reject_step(self, t, x, dt):
        self.rejected += 1


def adaptive(system, t0, t1, x0, rtol, atol, quadrature=False, method="dopri5", **options):
    f = Counted(FIELDS[system], quadrature)
    x = torch.tensor(x0, dtype=torch.float64)
    start = (x, torch.zeros(1)) if quadrature else x
    t = torch.tensor([t0, t1], dtype=torch.float64)
    end = odeint(f, start, t, rtol=rtol, atol=atol, method=method, options=options)
    end = torch.cat([part[-1] for part in end]) if quadrature else end[-1]
    return dict(system=system, method=method, t0=t0, t1=t1, x0=x0, rtol=rtol, atol=atol, quadrature=quadrature,
                evaluations=f.evaluations, steps=f.accepted, rejected=f.rejected, last=f.last, x1=end.tolist(), **options)


def fixed(system, t0, t1, x0, step, name="euler", method=None, **tolerances):
    """method is torchdiffeq's name where ours is another."""
    f = Counted(FIELDS[system])
    x = torch.tensor(x0, dtype=torch.float64)
    t = torch.tensor([t0, t1], dtype=torch.float64)
    options = {} if step is None else {"step_size": step}
    end = odeint(f, x, t, method=method or name, options=options, **tolerances)
    return dict(system=system, method=name, t0=t0, t1=t1, x0=x0, step=step or 0, evaluations=f.evaluations,
                steps=f.steps, rejected=0, x1=end[-1].tolist(), **tolerances)


cases = [adaptive(*case) for case in ADAPTIVE]
cases += [adaptive(*case, quadrature=True) for case in ADAPTIVE if case[0] in ("forced", "van_der_pol")]
cases += [adaptive("forced", 0, 5, [0.5], 1e-4, 1e-4, first_step=0.5)]
cases += [adaptive(*case, method=method) for method in ("bosh3", "fehlberg2", "adaptive_heun", "dopri8") for case in ADAPTIVE
          if case[4] >= 1e-7 and case[0] != "arenstorf"]
cases += [fixed(*case) for case in FIXED]
cases += [fixed(*case, name, method) for name, method in
          (("midpoint", None), ("heun3", None), ("rk38", "rk4")) for case in FIXED]
cases += [fixed(*case, "explicit_adams") for case in MULTISTEP]
cases += [fixed("forced", 0, 5, [0.5], 0.25, "implicit_adams", rtol=1e-8, atol=1e-10)]  # not all steps converge
cases += [fixed(*case, "implicit_adams", rtol=rtol, atol=atol) for case in MULTISTEP if len(case[3]) == 1
          for rtol, atol in ((1e-3, 1e-3), (1e-8, 1e-10))]
lines = ",\n  ".join(json.dumps(case) for case in cases)
print(f'{{"generator": "pkg/ode/testdata/reference.py", "torchdiffeq": "{__version__}", "torch": "{torch.__version__}",')
print(f' "cases": [\n  {lines}\n]}}')
