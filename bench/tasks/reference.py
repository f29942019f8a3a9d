"""The rules in float64, as plain as the equations: where every contestant must end."""

from __future__ import annotations

import numpy as np

from tasks.workloads import ACTIVATION, Task

Array = np.ndarray

SLOPE = {  # σ′ written with h = σ(a)
    "linear": lambda h: np.ones_like(h),
    "logistic": lambda h: h * (1.0 - h),
    "tanh": lambda h: 1.0 - h * h,
}


RULES = ("fa", "dfa", "bp")
_known: dict[tuple[str, int], list[Array]] = {}  # of the task that was asked for last
_asked: Task | None = None


def expected(task: Task, steps: int, rule: str = "fa") -> list[Array]:
    """`train`, remembered while the same task is asked for: many contestants share one."""
    global _asked
    if task is not _asked:
        _known.clear()
        _asked = task
    if (rule, steps) not in _known:
        _known[rule, steps] = train(task, steps, rule)
    return _known[rule, steps]


def train(task: Task, steps: int, rule: str = "fa") -> list[Array]:
    """W_0, b_0, W_1, b_1, … after `steps` updates from the task's start, in float64."""
    if task.replicas:
        return [p for replica in task.replicas for p in train(replica, steps, rule)]
    what = task.workload
    sigma, slope = ACTIVATION[what.activation], SLOPE[what.activation]
    weights = [w.astype(np.float64) for w in task.weights]
    biases = [b.astype(np.float64) for b in task.biases]
    feedback = [b.astype(np.float64) for b in (task.direct if rule == "dfa" else task.feedback)]
    for x, y in zip(task.x[:steps].astype(np.float64), task.y[:steps], strict=True):
        h = [x]
        for w, b in zip(weights, biases, strict=True):
            h.append(sigma(h[-1] @ w.T + b))
        error = y - h[-1]  # (batch, n_out)
        out = error if what.loss == "cross_entropy" else error * slope(h[-1])
        deltas = [out]
        back = [w.T for w in weights[1:]] if rule == "bp" else feedback
        for b, h_l in zip(reversed(back), reversed(h[1:-1]), strict=True):
            sent = out if rule == "dfa" else deltas[0]
            deltas.insert(0, (sent @ b.T) * slope(h_l))  # Δh = B δ, then ∘ σ′
        eta = what.lr / len(x)
        for layer, delta in enumerate(deltas):
            weights[layer] += eta * delta.T @ h[layer]  # W ← W + η δ hᵀ
            biases[layer] += eta * delta.sum(axis=0)
    return [p for pair in zip(weights, biases, strict=True) for p in pair]


def update_error(start: list[Array], end: list[Array], expected: list[Array]) -> float:
    """Largest over the parameters of |end − expected| / |expected − start| (Frobenius norms).

    Measured on the change and not on the weights themselves: a contestant with a wrong hidden
    update would still be close to large starting weights after a few steps.
    """
    worst = 0.0
    for p0, p, target in zip(start, end, expected, strict=True):
        if p.shape != target.shape or not np.all(np.isfinite(p)):
            return float("inf")
        change = float(np.linalg.norm(target - p0))
        miss = float(np.linalg.norm(p.astype(np.float64) - target))
        worst = max(worst, miss / change if change > 0 else miss)
    return worst
