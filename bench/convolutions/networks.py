"""The networks that all contestants train, with fastfa's weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import fastfa as fa
import numpy as np


class Contestant(NamedTuple):
    step: Callable[[], Any]
    weights: Callable[[], list[np.ndarray]]  # as fastfa has them


class ConvPlan(NamedTuple):
    shape: tuple[int, int, int]  # (C, H, W)
    batch: int
    layers: list[Any]


def _same(maps: int) -> fa.Conv2D:
    return fa.Conv2D(maps, 3, padding="same", activation="relu")


PLANS = {
    "lenet": ConvPlan(
        (1, 28, 28),
        100,
        [
            fa.Conv2D(6, 5, padding="same", activation="tanh"),
            fa.MaxPool2D(2),
            fa.Conv2D(16, 5, activation="tanh"),
            fa.MaxPool2D(2),
            fa.Dense(120, "tanh"),
            fa.Dense(84, "tanh"),
            fa.Dense(10),
        ],
    ),
    "32-64-128": ConvPlan(
        (1, 28, 28),
        64,
        [part for maps in (32, 64, 128) for part in (_same(maps), fa.MaxPool2D(2))]
        + [fa.Dense(10)],
    ),
    "32-32-64-64": ConvPlan(
        (3, 32, 32),
        50,
        [part for m in (32, 64) for part in (_same(m), _same(m), fa.MaxPool2D(2))] + [fa.Dense(10)],
    ),
}


def batch_of(net: fa.Network, count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.random((count, net.input_size), dtype=np.float32)
    return x, rng.random((count, net.output_size), dtype=np.float32)


def multiplications(net: fa.Network, batch: int) -> float:
    """Of a step: three products for each layer, two for the first."""
    sizes = [
        batch * np.prod(shape) * w[0].size
        for shape, w in zip(net.shapes[1:], net.weights, strict=True)
    ]
    return float(3 * sum(sizes) - sizes[0])
