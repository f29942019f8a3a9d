"""Networks whose feedback learns."""

from __future__ import annotations

import fastfa as fa
import numpy as np

RATE, DECAY = 0.05, 0.01


def network(feedback, *, dtype="float64", seed=3, trainable=True) -> fa.Network:
    layers = [fa.Dense(9, "tanh"), fa.Dense(7, "logistic"), fa.Dense(4, "linear")]
    layers[1] = fa.Dense(7, "logistic", trainable=trainable)
    return fa.Network(5, layers, feedback, seed=seed, dtype=dtype)


def examples(rng, count=12):
    return rng.standard_normal((count, 5)), rng.uniform(-1, 1, (count, 4))


def copies(arrays) -> list[np.ndarray]:
    return [np.array(a) for a in arrays]


def plastic(kind, **options) -> fa.Feedback:
    return fa.Feedback("uniform", plasticity=kind, **options)
