"""Networks in time through the C interface: the same numbers as Python's."""

from __future__ import annotations

import ctypes as c

import fastfa as fa
import numpy as np
import pytest
from capi import (
    LIBRARY,
    STATUS,
    Feedback,
    Layer,
    Network,
    Sequences,
    WeightedResult,
    last_error,
    view,
)
from capi_cases import OPTIMIZERS, SGD
from safetensors.numpy import load_file

N, T = 4, 9


def pair(back="zero", below=(), matrix=None, delay=0):
    """A network in C and the same in Python, with tanh layers of these sizes below the recurrent one.

    ``matrix`` are a B_rec's arguments.
    """
    own = Feedback(**{n: v.encode() for n, v in (matrix or {}).items()})
    recurrent = Layer(
        units=7,
        activation=b"tanh",
        tau=3.0,
        recurrent_scale=1.5,
        recurrent_feedback=back.encode(),
        weight_scale=0.4,
        recurrent_matrix=c.cast(c.pointer(own), c.c_void_p) if matrix else None,
        input_delay=delay,
    )
    layers = [Layer(units=n, activation=b"tanh") for n in below] + [recurrent, Layer(units=2)]
    net = Network(3, layers, [Feedback(scale=0.5)], seed=5, dtype=1)
    assert net.status == 0, last_error()
    back = fa.Feedback(**matrix) if matrix else back
    first = fa.Recurrent(
        7,
        tau=3.0,
        recurrent_scale=1.5,
        recurrent_feedback=back,
        weight_scale=0.4,
        input_delay=delay,
    )
    rule = fa.Feedback("uniform", scale=0.5)
    layers = [*(fa.Dense(n, "tanh") for n in below), first, fa.Dense(2)]
    return net, fa.Network(3, layers, rule, seed=5, dtype="float64")


def sequences(rng):
    return rng.standard_normal((N, T, 3)), rng.standard_normal((N, T, 2))


def rows(a):
    return np.ascontiguousarray(a.reshape(-1, a.shape[-1]))


@pytest.mark.parametrize(
    ("update", "back", "below", "matrix"),
    [
        ("step", "zero", (), None),
        ("sequence", "random", (), None),
        ("sequence", "transpose", (4, 6), None),
        ("sequence", "zero", (4,), {"matrix": "normal", "plasticity": "kolen_pollack"}),
    ],
)
def test_sequences_are_learned_as_from_python(update, back, below, matrix, rng, tmp_path):
    net, same = pair(back, below, matrix)
    X, Y = sequences(rng)
    x, y, weight = rows(X), rows(Y), rng.random((N * T, 1))
    order = (c.c_int64 * 3)(2, 0, 3)
    plan = Sequences(times=T, update=update.encode(), batch_size=2, order=order, n=3)
    result = WeightedResult()
    weighted = view(weight)
    for _ in range(3):
        given = (view(x), view(y), c.byref(weighted), c.byref(plan), SGD, None, None)
        assert net.call("train_sequences", *given, c.byref(result)) == 0, last_error()
        loss = same.train_sequences(
            X,
            Y,
            OPTIMIZERS["sgd"][1],
            batch_size=2,
            order=[2, 0, 3],
            update=update,
            mask=weight.reshape(N, T),
        )
        assert result.loss == pytest.approx(loss, rel=1e-12)
    np.testing.assert_array_equal(net.array("weights", 0), same.weights[0])
    file = str(tmp_path / "net.safetensors").encode()
    assert net.call("save", file) == 0, last_error()
    saved, state = load_file(file.decode()), same.state_dict()
    assert saved.keys() == state.keys()
    assert all((saved[name] == array).all() for name, array in state.items())
    assert net.call("load", file) == 0, last_error()
    out = np.zeros((N * T, 2))
    assert net.call("forward_sequences", view(x), c.c_int64(T), view(out)) == 0, last_error()
    np.testing.assert_array_equal(out.reshape(N, T, 2), same.forward_sequences(X))
    given = (view(x), view(y), None, c.c_int64(T), c.byref(result))
    assert net.call("evaluate_sequences", *given) == 0, last_error()
    assert result.loss == pytest.approx(same.evaluate_sequences(X, Y).loss, rel=1e-12)


def test_windows_delays_and_the_time_of_a_divergence(rng):
    net, same = pair("transpose", (4,), delay=2)
    X, Y = sequences(rng)
    x, y = rows(X), rows(Y)
    plan = Sequences(times=T, update=b"window", batch_size=2, window=4)

    def learn(plan):
        given = (view(x), view(y), None, c.byref(plan), SGD, None, None, None)
        return net.call("train_sequences", *given)

    how = {"batch_size": 2, "update": "window", "window": 4}
    assert learn(plan) == 0, last_error()
    same.train_sequences(X, Y, OPTIMIZERS["sgd"][1], **how)
    for i in range(3):
        np.testing.assert_array_equal(net.array("weights", i), same.weights[i])
    older = Sequences(times=T, update=b"window", batch_size=2, window=4)
    older.struct_size = Sequences.window.offset  # a program that doesn't know of windows
    for plan, words in ((older, "window was 0"), (Sequences(times=T, window=4), "window was 4")):
        assert learn(plan) == STATUS["INVALID_ARGUMENT"]
        assert words in last_error()
    y[1 * T + 6] = 1e141
    assert learn(Sequences(times=T, batch_size=4)) == STATUS["DIVERGED"]
    assert LIBRARY.fastfa_last_divergence_time() == 6
    assert "time 6" in last_error()


def test_a_simulator_goes_step_by_step_and_sets_the_state(rng):
    net, same = pair()
    X, Y = sequences(rng)
    h, out = rng.standard_normal((N, 7)), np.zeros((N, 2))
    assert net.call("set_state", view(h)) == 0, last_error()
    same.reset(h)
    for t in range(T):
        assert net.call("forward_step", view(np.ascontiguousarray(X[:, t])), view(out)) == 0
        e = np.ascontiguousarray(Y[:, t] - out)
        assert net.call("apply_error", view(e), SGD, None) == 0, last_error()
        np.testing.assert_array_equal(out, same.forward_step(np.ascontiguousarray(X[:, t])))
        same.apply_error(e, OPTIMIZERS["sgd"][1])
    now = np.zeros((N, 7))
    assert net.call("state", view(now)) == 0, last_error()
    np.testing.assert_array_equal(now, same.hidden_state)
    np.testing.assert_array_equal(net.array("weights", 0), same.weights[0])
    assert net.call("reset") == 0
    assert net.call("state", view(now)) == STATUS["INVALID_ARGUMENT"]
    assert "has no state" in last_error()


def test_what_is_wrong_is_refused(rng):
    net, _ = pair("transpose", (5,))
    x, y = map(rows, sequences(rng))
    plan = Sequences(times=T, update=b"step")

    def train():
        return net.call(
            "train_sequences", view(x), view(y), None, c.byref(plan), SGD, None, None, None
        )

    assert train() == STATUS["INVALID_ARGUMENT"]
    assert "it must be 'sequence'" in last_error()
    plan = Sequences(times=5)
    assert train() == STATUS["INVALID_ARGUMENT"]
    assert "times was 5" in last_error()
    for count in (0, -1):
        plan = Sequences(times=T, order=(c.c_int64 * 1)(0), n=count)
        assert train() == STATUS["INVALID_ARGUMENT"]
        assert f"n was {count}" in last_error()
    given = (view(x), view(y), None, None, SGD, None, None, None)
    assert net.call("train_sequences", *given) == STATUS["INVALID_ARGUMENT"]
    assert "[fastfa_sequences] was null" in last_error()
    assert net.call("set_state", view(np.zeros((2, 3)))) == STATUS["INVALID_ARGUMENT"]
    assert "must have 7" in last_error()
    plain = Network(3, [Layer(units=7), Layer(units=2)])
    assert plain.call("reset") == STATUS["INVALID_ARGUMENT"]
    assert "no recurrent layer" in last_error()
