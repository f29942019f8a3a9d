"""The paper's locally connected layer alone and in its network: tasks, and float64 references.

28×28 pixels, 6 maps of 6×6 patches that share no weights: 529 positions, 3174 units. Units count in
the order (maps, out_h, out_w) wherever a task or a result is concerned; a contestant may keep them
in another order inside.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tasks import reference
from tasks.workloads import Task, Workload, make_task

Array = np.ndarray

SIDE, MAPS, KERNEL = 28, 6, 6
OUT = SIDE - KERNEL + 1  # 23
POSITIONS, TAPS = OUT * OUT, KERNEL * KERNEL  # 529, 36
UNITS = MAPS * POSITIONS  # 3174
WEIGHT_SHAPE = (MAPS, OUT, OUT, 1, KERNEL, KERNEL)

TRAINING = Workload(
    "mnist-local-batch100-dense", (SIDE * SIDE, UNITS, 1500, 1500, 10), "tanh", "squared_error",
    lr=0.01, batch=100, steps=20, weight_scale=(1 / 6, 0.01775, 0.0258, 0.0258),
    feedback_scale=0.04, inputs="dense", targets=(-0.9, 0.9),
)  # fmt: skip
# One unit reads the layer out: nearly all of this network's step is the layer's.
READOUT = replace(
    TRAINING, name="local-readout", sizes=(SIDE * SIDE, UNITS, 1), steps=1, inputs="normal",
    weight_scale=(1 / 6, 0.01775), targets=None,
)  # fmt: skip


@dataclass(frozen=True)
class LayerTask:
    """h = W ⋆ x without bias or activation, and g = Σ δ xᵀ over the batch, wherever W is."""

    x: Array  # (N, SIDE, SIDE) float32
    delta: Array  # (N, UNITS) float32
    weights: Array  # WEIGHT_SHAPE, float32
    h: Array  # (N, UNITS) float64: what h must be
    gradient: Array  # WEIGHT_SHAPE, float64: what g must be

    def error(self, h: Array, gradient: Array) -> float:
        """The larger of the relative errors (Frobenius) of h and g."""
        return max(
            float(np.linalg.norm(found.astype(np.float64) - wanted) / np.linalg.norm(wanted))
            if np.all(np.isfinite(found))
            else float("inf")
            for found, wanted in ((h, self.h), (gradient, self.gradient))
        )


def layer_task(batch: int, seed: int = 0) -> LayerTask:
    """Inputs and deltas from N(0, 1), W from U(-1/6, 1/6)."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((batch, SIDE, SIDE)).astype(np.float32)
    delta = rng.standard_normal((batch, UNITS)).astype(np.float32)
    weights = rng.uniform(-1 / 6, 1 / 6, WEIGHT_SHAPE).astype(np.float32)
    patches = _patches(x.astype(np.float64))
    return LayerTask(x, delta, weights, _forward(patches, weights), _gradient(patches, delta))


def training_task(workload: Workload, seed: int = 0) -> Task:
    """As `make_task`, with the first layer's weights of the shape WEIGHT_SHAPE."""
    task = make_task(workload, seed)
    rng = np.random.default_rng((seed, 1))
    scale = workload.weight_scale[0]
    local = rng.uniform(-scale, scale, WEIGHT_SHAPE).astype(np.float32)
    return replace(task, weights=(local, *task.weights[1:]))


def train(task: Task, steps: int) -> list[Array]:
    """`reference.train` for a network whose first layer is the local one."""
    sigma = reference.ACTIVATION[task.workload.activation]
    slope = reference.SLOPE[task.workload.activation]
    weights = [w.astype(np.float64) for w in task.weights]
    biases = [b.astype(np.float64) for b in task.biases]
    feedback = [b.astype(np.float64) for b in task.feedback]
    for x, y in zip(task.x[:steps], task.y[:steps], strict=True):
        patches = _patches(x.reshape(-1, SIDE, SIDE).astype(np.float64))
        h = [sigma(_forward(patches, weights[0]) + biases[0])]
        for w, b in zip(weights[1:], biases[1:], strict=True):
            h.append(sigma(h[-1] @ w.T + b))
        deltas = [(y - h[-1]) * slope(h[-1])]
        for b, h_l in zip(reversed(feedback), reversed(h[:-1]), strict=True):
            deltas.insert(0, (deltas[0] @ b.T) * slope(h_l))  # δ = B δ_above ∘ σ′
        eta = task.workload.lr / len(x)
        weights[0] += eta * _gradient(patches, deltas[0])
        for layer in range(1, len(weights)):
            weights[layer] += eta * deltas[layer].T @ h[layer - 1]
        for bias, delta in zip(biases, deltas, strict=True):
            bias += eta * delta.sum(axis=0)
    return [p for pair in zip(weights, biases, strict=True) for p in pair]


def _patches(x: Array) -> Array:
    """(POSITIONS, TAPS, N) from (N, SIDE, SIDE)."""
    windows = sliding_window_view(x, (KERNEL, KERNEL), axis=(1, 2))
    return windows.transpose(1, 2, 3, 4, 0).reshape(POSITIONS, TAPS, len(x))


def _forward(patches: Array, weights: Array) -> Array:
    return unit_order(by_position(weights) @ patches)


def _gradient(patches: Array, delta: Array) -> Array:
    by_positions = delta.T.reshape(MAPS, POSITIONS, -1).transpose(1, 0, 2)
    return from_position(by_positions @ patches.transpose(0, 2, 1))


# ---- the position-major order, in which the strong peers keep the layer

# Unit number in the order (maps, positions) of each unit in the order (positions, maps).
ORDER = np.arange(UNITS).reshape(MAPS, POSITIONS).T.ravel()
BACK = np.argsort(ORDER)


def by_position(weights: Array) -> Array:
    """(POSITIONS, MAPS, TAPS) from WEIGHT_SHAPE, C-contiguous."""
    return np.ascontiguousarray(weights.reshape(MAPS, POSITIONS, TAPS).transpose(1, 0, 2))


def from_position(weights: Array) -> Array:
    """WEIGHT_SHAPE from (POSITIONS, MAPS, TAPS)."""
    return weights.transpose(1, 0, 2).reshape(WEIGHT_SHAPE)


def unit_order(h: Array) -> Array:
    """(N, UNITS) in the order (maps, positions) from (POSITIONS, MAPS, N)."""
    return h.transpose(2, 1, 0).reshape(h.shape[2], UNITS)
