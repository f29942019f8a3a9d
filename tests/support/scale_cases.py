"""Deep networks of every drawn matrix and route, and how large the errors in them are."""

from __future__ import annotations

import ctypes as c

import capi
import fastfa as fa
import numpy as np
import reference_feedback

DRAWN = {kind: {} for kind in reference_feedback.DRAWN} | {"low_rank": {"rank": 4}}
KINDS = [*DRAWN.items(), *(("sign", {"magnitude": m}) for m in ("uniform", "fixed", "redrawn"))]
WIDTHS = (60, 250, 200, 150, 20)


def network(feedback, activation="tanh", widths=WIDTHS, *, dtype="float64", seed=1, **more):
    layers = [fa.Dense(n, activation, **more) for n in widths[1:-1]]
    return fa.Network(widths[0], [*layers, fa.Dense(widths[-1])], feedback, seed=seed, dtype=dtype)


def examples(net, count=200, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((count, net.input_size)).astype(net.dtype)
    return x, rng.standard_normal((count, net.output_size)).astype(net.dtype)


def sizes(net, x, y) -> np.ndarray:
    """The root mean square of δ in each layer, that of the output as 1."""
    found = [np.sqrt(np.mean(np.square(d, dtype=np.float64))) for d in net.deltas(x, y)]
    return np.array(found) / found[-1]


def routes_of(kind: str) -> list[str]:
    return ["layerwise"] if kind == "sign" else ["layerwise", "direct", "target"]


CASES = [(kind, options, route) for kind, options in KINDS for route in routes_of(kind)]


def in_c(given: dict, seed: int = 0) -> capi.Network:
    layers = [capi.Layer(units=n, activation=b"tanh") for n in (9, 8)] + [capi.Layer(units=3)]
    return capi.Network(5, layers, [capi.Feedback(**given)], dtype=1, seed=seed)


def in_python(rule, seed: int = 0) -> fa.Network:
    return network(rule, widths=(5, 9, 8, 3), seed=seed)


def assert_same_b(theirs: capi.Network, ours: fa.Network) -> None:
    for layer, b in enumerate(ours.feedback_matrices):
        out = np.zeros(b.shape)
        assert theirs.call("feedback_array", c.c_int64(layer), capi.view(out)) == 0
        np.testing.assert_array_equal(out, b)
