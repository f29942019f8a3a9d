"""What every contestant trains on: networks of tanh units on standardised inputs."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

NETWORKS = {
    "784-1500×3-10": (784, 1500, 1500, 1500, 10),
    "784-1000×10-10": (784, *(1000,) * 10, 10),
    "784-1000-10": (784, 1000, 10),
    "784-4096×2-10": (784, 4096, 4096, 10),
}


@dataclass(frozen=True)
class Task:
    """Layerwise feedback alignment, squared error, plain SGD on the mean over the batch."""

    sizes: tuple[int, ...]
    batch: int
    x: np.ndarray  # (batch, n_in)
    y: np.ndarray  # (batch, n_out)
    weights: list[np.ndarray]  # W_l (n_l+1, n_l); biases start at 0
    feedback: list[np.ndarray]  # B_l (n_l, n_l+1), one for each hidden layer
    lr: float

    @property
    def products(self) -> float:
        """Multiplications of a step: forward and update of each layer, B of each hidden one."""
        return self.batch * (
            2.0 * sum(w.size for w in self.weights) + sum(b.size for b in self.feedback)
        )


def draw(sizes: tuple[int, ...], batch: int, seed: int = 0) -> Task:
    rng = np.random.default_rng(seed)

    def matrix(rows: int, cols: int, variance: float) -> np.ndarray:
        top = np.sqrt(3 * variance)
        return rng.uniform(-top, top, (rows, cols)).astype(np.float32)

    return Task(
        sizes,
        batch,
        rng.standard_normal((batch, sizes[0]), dtype=np.float32),
        rng.uniform(-0.9, 0.9, (batch, sizes[-1])).astype(np.float32),
        [matrix(above, below, 1 / below) for below, above in pairwise(sizes)],
        [matrix(below, above, 1 / above) for below, above in pairwise(sizes[1:])],
        lr=1e-4 * min(batch, 100),  # a few examples, over and over, diverge at more
    )


def updated(task: Task) -> list[np.ndarray]:
    """The change of each W by one step, in float64, from the equations."""
    h = [task.x.astype(np.float64)]
    for i, w in enumerate(task.weights):
        a = h[-1] @ w.T.astype(np.float64)
        h.append(a if i + 1 == len(task.weights) else np.tanh(a))
    deltas = [task.y - h[-1]]
    for b, below in zip(reversed(task.feedback), reversed(h[1:-1]), strict=True):
        deltas.insert(0, deltas[0] @ b.T.astype(np.float64) * (1 - below**2))
    rate = task.lr / task.batch
    return [rate * d.T @ below for d, below in zip(deltas, h[:-1], strict=True)]
