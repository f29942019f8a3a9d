"""Small networks for ensembles, and what an ensemble does beside each of them alone."""

from __future__ import annotations

import fastfa as fa
import numpy as np
import pytest

SMALL = [fa.Dense(8, "tanh"), fa.Dense(3)]
DEEP = [fa.Dense(8, "tanh"), fa.Dense(7, "tanh"), fa.Dense(3)]
TOLERANCE = {"float64": 1e-12, "float32": 1e-4}


def networks(count, layers, feedback="fa", n_in=6, **more):
    return [fa.Network(n_in, layers, feedback, seed=s, **more) for s in range(count)]


def examples(net, rng, n=100):
    x = rng.standard_normal((n, net.input_size)).astype(net.dtype)
    y = np.eye(net.output_size, dtype=net.dtype)[rng.integers(0, net.output_size, n)]
    return x, y


def assert_same(net, other):
    for a, b in zip(net.state_dict().values(), other.state_dict().values(), strict=True):
        assert np.linalg.norm(a - b) <= TOLERANCE[net.dtype.name] * np.linalg.norm(b)


def compare(make, optimizers, rng, batch_size=1):
    """The ensemble's networks after 100 steps and theirs alone: equal, and so are the losses."""
    together, alone = make(), make()
    x, y = examples(together[0], rng, 100 * batch_size)
    order = rng.permutation(len(x))
    arguments = {"batch_size": batch_size, "order": order}
    losses = fa.Ensemble(together).train_epoch(x, y, optimizers, **arguments)
    for i, (net, other) in enumerate(zip(together, alone, strict=True)):
        own = optimizers[i] if isinstance(optimizers, list) else optimizers
        loss = other.train_epoch(x, y, own, **arguments)
        assert losses[i] == pytest.approx(loss, rel=1e-11 if net.dtype == "float64" else 1e-4)
        assert net.steps == other.steps == 100
        assert_same(net, other)
