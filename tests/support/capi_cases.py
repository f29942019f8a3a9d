"""Networks of C's beside the same of Python's, and what is asked of both."""

from __future__ import annotations

import ctypes as c

import fastfa as fa
import numpy as np
from capi import LIBRARY, Feedback, Layer, Network, Optimizer, last_error, view

WIDTHS = (7, 12, 9, 4)
OPTIMIZERS = {
    "sgd": (Optimizer(lr=0.05, weight_decay=1e-3), fa.SGD(0.05, weight_decay=1e-3)),
    "sum": (Optimizer(lr=0.05, sum=1), fa.SGD(0.05, reduction="sum")),
    "momentum": (Optimizer(lr=0.02, momentum=0.9), fa.SGD(0.02, momentum=0.9)),
    "nesterov": (
        Optimizer(lr=0.02, momentum=0.9, nesterov=1),
        fa.SGD(0.02, momentum=0.9, nesterov=True),
    ),
    "adamw": (
        Optimizer(rule=b"adamw", lr=0.01, weight_decay=0.1),
        fa.AdamW(0.01, weight_decay=0.1),
    ),
    "rmsprop": (Optimizer(rule=b"rmsprop", lr=0.001, rho=0.9), fa.RMSprop(0.001, rho=0.9)),
    "adam": (Optimizer(rule=b"adam", lr=0.01), fa.Adam(0.01)),
}


def pair(rule: str, dtype: str = "float32", **options) -> tuple[Network, fa.Network]:
    """The same network by C and by Python."""
    feedback = Feedback()
    assert LIBRARY.fastfa_preset(rule.encode(), c.byref(feedback)) == 0, last_error()
    layers = [
        *(Layer(units=12, activation=b"tanh"), Layer(units=9, activation=b"relu", dropout=0.25)),
        Layer(units=4, activation=b"softmax", bias=0),
    ]
    ours = Network(
        7,
        layers,
        [feedback],
        loss=b"cross_entropy",
        seed=5,
        dtype=int(dtype == "float64"),
        **options,
    )
    assert ours.status == 0, last_error()
    layers = [
        *(fa.Dense(12, "tanh"), fa.Dense(9, "relu"), fa.Dropout(0.25)),
        fa.Dense(4, "softmax", bias=False),
    ]
    return ours, fa.Network(7, layers, rule, loss="cross_entropy", seed=5, dtype=dtype)


def examples(rng, dtype, count=20):
    x = rng.standard_normal((count, 7)).astype(dtype)
    return x, np.eye(4, dtype=dtype)[rng.integers(0, 4, count)]


def assert_same(ours: Network, net: fa.Network) -> None:
    state = net.state_dict()
    for name, value in ours.state().items():
        np.testing.assert_array_equal(value, state[name], err_msg=name)
    assert ours.count("steps") == net.steps


SGD = c.byref(OPTIMIZERS["sgd"][0])


def epoch(net, x, y, *, batch=2, order=None, poll=None):
    pointer, n = None, 0
    if order is not None:
        order = np.array(order, dtype=np.int64)
        pointer, n = order.ctypes.data_as(c.POINTER(c.c_int64)), len(order)
    counts = (c.c_int64(batch), pointer, c.c_int64(n))
    return net.call("train_epoch", view(x), view(y), SGD, *counts, poll, None, None)
