"""Recurrent rate networks in float64 NumPy: the equations, in their two forms, and nothing else.

u = W_in x + W h⁻ + b,  h = h⁻ + (φ(u) − h⁻)/τ,  y = W_out h + b_out,  e = target − y.  ``w`` is
[W_in | W], (n, m + n), as the network shows it. Sequences are (N, T, …), sums run over all N and T.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

PHI = {
    "tanh": (np.tanh, lambda u: 1 - np.tanh(u) ** 2),
    "linear": (lambda u: u, np.ones_like),
    "logistic": (lambda u: 1 / (1 + np.exp(-u)), lambda u: np.exp(-u) / (1 + np.exp(-u)) ** 2),
    "silu": (
        lambda u: u / (1 + np.exp(-u)),
        lambda u: (1 + np.exp(-u) * (1 + u)) / (1 + np.exp(-u)) ** 2,
    ),
}


@dataclass
class Weights:
    """What learns; also a gradient of it."""

    w: np.ndarray  # (n, m + n)
    bias: np.ndarray  # (n,)
    w_out: np.ndarray  # (k, n)
    bias_out: np.ndarray  # (k,)

    def plus(self, change: Weights, rate: float) -> Weights:
        return Weights(
            *(getattr(self, f.name) + rate * getattr(change, f.name) for f in fields(self))
        )


@dataclass
class Rule:
    """B (n, k), B_rec (n, n), τ and φ."""

    b: np.ndarray
    b_rec: np.ndarray
    tau: float
    phi: str = "tanh"


def drawn(rng: np.random.Generator, m: int, n: int, k: int) -> Weights:
    return Weights(
        rng.normal(size=(n, m + n)) / np.sqrt(n),
        rng.normal(size=n) * 0.1,
        rng.normal(size=(k, n)) / np.sqrt(n),
        rng.normal(size=k) * 0.1,
    )


def step(p: Weights, rule: Rule, x: np.ndarray, h: np.ndarray) -> tuple[np.ndarray, ...]:
    """What the units see, z = [x, h⁻]; the new state; φ′(u)/τ; the output."""
    value, slope = PHI[rule.phi]
    z = np.concatenate([x, h], axis=-1)
    u = z @ p.w.T + p.bias
    h = h + (value(u) - h) / rule.tau
    return z, h, slope(u) / rule.tau, h @ p.w_out.T + p.bias_out


def forward(p: Weights, rule: Rule, x: np.ndarray, h: np.ndarray) -> tuple[list[np.ndarray], ...]:
    """(z, h, slopes, y), each a list over time."""
    found: tuple[list[np.ndarray], ...] = ([], [], [], [])
    for t in range(x.shape[1]):
        parts = step(p, rule, x[:, t], h)
        h = parts[1]
        for into, part in zip(found, parts, strict=True):
            into.append(part)
    return found


def loss(p: Weights, rule: Rule, x: np.ndarray, y: np.ndarray, mask: np.ndarray) -> float:
    out = np.stack(forward(p, rule, x, np.zeros((len(x), len(p.bias))))[3], axis=1)
    return float(0.5 * (mask[..., None] * (y - out) ** 2).sum())


def at_end(
    p: Weights,
    rule: Rule,
    x: np.ndarray,
    y: np.ndarray,
    mask: np.ndarray,
    h0: np.ndarray | None = None,
) -> Weights:
    """The sum of all updates, by the scan back: λ = (1 − 1/τ) λ + B_rec d + B e, d = λ ∘ φ′/τ."""
    zs, hs, es, ds = deltas(p, rule, x, y, mask, h0)
    change = Weights(*(np.zeros_like(getattr(p, f.name)) for f in fields(p)))
    for z, h, e, d in zip(zs, hs, es, ds, strict=True):
        change = change.plus(Weights(d.T @ z, d.sum(0), e.T @ h, e.sum(0)), 1.0)
    return change


def deltas(
    p: Weights,
    rule: Rule,
    x: np.ndarray,
    y: np.ndarray,
    mask: np.ndarray,
    h0: np.ndarray | None = None,
) -> tuple[list[np.ndarray], ...]:
    """(z, h, e, d), each a list over time."""
    h0 = np.zeros((len(x), len(p.bias))) if h0 is None else h0
    zs, hs, slopes, ys = forward(p, rule, x, h0)
    es = [mask[:, t, None] * (y[:, t] - out) for t, out in enumerate(ys)]
    lam, ds = np.zeros_like(h0), [np.zeros_like(h0)]
    for e, slope in zip(reversed(es), reversed(slopes), strict=True):
        lam = (1 - 1 / rule.tau) * lam + ds[0] @ rule.b_rec.T + e @ rule.b.T
        ds.insert(0, lam * slope)
    return zs, hs, es, ds[:-1]


@dataclass
class Traces:
    """p of each weight and each bias, of each example."""

    w: np.ndarray  # (N, n, m + n)
    bias: np.ndarray  # (N, n)

    def step(self, rule: Rule, z: np.ndarray, slopes: np.ndarray) -> None:
        self.w = (1 - 1 / rule.tau) * self.w + slopes[:, :, None] * z[:, None, :]
        self.bias = (1 - 1 / rule.tau) * self.bias + slopes


def online(
    p: Weights, rule: Rule, x: np.ndarray, y: np.ndarray, mask: np.ndarray, rate: float
) -> tuple[Weights, Weights, Traces, np.ndarray]:
    """Learning at every step, the mean over examples times ``rate``: B_rec plays no part.

    The new weights, the sum of the updates (not times rate, not divided by N), the traces and state.
    """
    n = len(p.bias)
    h = np.zeros((len(x), n))
    traces = Traces(np.zeros((len(x), *p.w.shape)), np.zeros((len(x), n)))
    total = Weights(*(np.zeros_like(getattr(p, f.name)) for f in fields(p)))
    p = replace(p)
    for t in range(x.shape[1]):
        z, h, slopes, out = step(p, rule, x[:, t], h)
        traces.step(rule, z, slopes)
        e = mask[:, t, None] * (y[:, t] - out)
        sent = e @ rule.b.T
        change = Weights(
            np.einsum("ej,eji->ji", sent, traces.w),
            (sent * traces.bias).sum(0),
            e.T @ h,
            e.sum(0),
        )
        total = total.plus(change, 1.0)
        p = p.plus(change, rate / len(x))
    return p, total, traces, h
