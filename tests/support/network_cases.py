"""A small network, its examples, and all of its state."""

from __future__ import annotations

import fastfa as fa
import numpy as np

SGD = fa.SGD(0.1, momentum=0.5)


def network(feedback="fa", *, dtype="float32", seed=0, bias=True) -> fa.Network:
    layers = [fa.Dense(n, "tanh", bias=bias) for n in (11, 7)] + [fa.Dense(3, "linear", bias=bias)]
    return fa.Network(5, layers, feedback, seed=seed, dtype=dtype)


def examples(rng, count=20, dtype="float32"):
    return rng.standard_normal((count, 5)).astype(dtype), rng.random((count, 3)).astype(dtype)


def assert_same_state(left: dict, right: dict) -> None:
    assert left.keys() == right.keys()
    for name in left:
        np.testing.assert_array_equal(left[name], right[name], err_msg=name)
