"""A small network, and what it is trained on, a step in parts."""

from __future__ import annotations

import fastfa as fa


def network(feedback="fa", **options) -> fa.Network:
    layers = [fa.Dense(11, "tanh"), fa.Dense(7, "logistic"), fa.Dense(3, "tanh")]
    return fa.Network(5, layers, feedback, dtype="float64", **{"seed": 3, **options})


def examples(rng, count=4):
    return rng.standard_normal((count, 5)), rng.uniform(-1, 1, (count, 3))


SGD = fa.SGD(0.1)
