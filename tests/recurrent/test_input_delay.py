"""Inputs that are seen steps later: as if they had been given later, state and all."""

from __future__ import annotations

import pickle

import fastfa as fa
import numpy as np
import pytest
from test_sequences import data

DELAYS = (1, 3, 9)


def network(delay=0, back="zero", below=(), feedback="fa", units=9, dtype="float64"):
    first = fa.Recurrent(units, tau=3.0, recurrent_feedback=back, input_delay=delay)
    layers = [*(fa.Dense(n, "tanh") for n in below), first, fa.Dense(2)]
    return fa.Network(3, layers, feedback, seed=2, dtype=dtype)


def later(x, delay):
    """(N, T, …), each step `delay` steps later, after zeros."""
    return np.concatenate([np.zeros_like(x[:, :delay]), x], axis=1)[:, : x.shape[1]]


def same(one, other):
    for a, b in zip(one.weights + one.biases, other.weights + other.biases, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(one.hidden_state, other.hidden_state)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("delay", DELAYS)
@pytest.mark.parametrize(
    ("update", "back"), [("sequence", "transpose"), ("step", "zero"), ("window", "random")]
)
@pytest.mark.parametrize("count", [1, 4])
def test_inputs_are_as_if_given_later(update, back, delay, dtype, count):
    x, y, mask = data(3, 2, 4, 7)
    one, other = network(delay, back, dtype=dtype), network(0, back, dtype=dtype)
    how = {"update": update, "window": 3 if update == "window" else None, "batch_size": count}
    a = one.train_sequences(x, y, fa.SGD(0.1), mask=mask, **how)
    b = other.train_sequences(later(x, delay), y, fa.SGD(0.1), mask=mask, **how)
    assert a == b
    same(one, other)
    np.testing.assert_array_equal(
        one.forward_sequences(x), other.forward_sequences(later(x, delay))
    )
    assert one.evaluate_sequences(x, y) == other.evaluate_sequences(later(x, delay), y)
    np.testing.assert_array_equal(
        one.deltas_sequences(x, y), other.deltas_sequences(later(x, delay), y)
    )


@pytest.mark.parametrize("travel", [lambda net: net, lambda net: pickle.loads(pickle.dumps(net))])
@pytest.mark.parametrize("delay", DELAYS)
@pytest.mark.parametrize("update", ["sequence", "step"])
@pytest.mark.parametrize("count", [1, 3])
def test_what_was_not_seen_yet_goes_on_from_call_to_call(update, delay, count, travel):
    x, y, _ = data(3, 2, count, 12)
    one, other = network(delay), network()
    for part in (slice(0, 2), slice(2, 7), slice(7, 12)):
        inputs = later(x, delay)[:, part]
        one.train_sequences(x[:, part], y[:, part], fa.SGD(0.1), update=update, carry=True)
        other.train_sequences(inputs, y[:, part], fa.SGD(0.1), update=update, carry=True)
        one = travel(one)
    same(one, other)


def test_a_simulator_sees_them_later(tmp_path):
    x, y, _ = data(3, 2, 2, 12)
    one, other = network(4), network()
    for t in range(12):
        if t == 7:
            fa.save(tmp_path / "net.safetensors", one)
            one = fa.load(tmp_path / "net.safetensors")
        out = one.forward_step(x[:, t])
        np.testing.assert_array_equal(out, other.forward_step(later(x, 4)[:, t]))
        for net in (one, other):
            net.apply_error(y[:, t] - out, fa.SGD(0.1))
    same(one, other)
    one.reset(np.zeros((2, 9)))
    assert not one._net.past_inputs().any()
    one.reset()
    assert one._net.past_inputs() is None


@pytest.mark.parametrize("delay", [1, 2, 5])
def test_transposes_everywhere_make_the_gradient_of_layers_below(delay):
    """Central differences of the loss, of every weight of the layers below and some others."""
    net = network(delay, "transpose", below=(4, 5), feedback="bptt")
    x, y, _ = data(3, 2, 2, 5)
    before = {name: array.copy() for name, array in net.state_dict().items()}
    net.train_sequences(x, y, fa.SGD(1.0, reduction="sum"), batch_size=2)
    after = net.state_dict()
    net.load_state_dict(before)
    rng = np.random.default_rng(0)
    for name in before:
        part, _, number = name.partition(".")
        array = getattr(net, part)[int(number)]
        for at in map(tuple, rng.permutation(np.argwhere(array == array))[:12]):
            losses = []
            for shift in (1e-5, -1e-5):
                array[at] = before[name][at] + shift
                losses.append(net.evaluate_sequences(x, y).loss * 10)
            array[at] = before[name][at]
            found = -(losses[0] - losses[1]) / 2e-5
            change = after[name][at] - before[name][at]
            np.testing.assert_allclose(change, found, rtol=1e-6, atol=1e-8)
    if delay == 5:  # longer than the sequences: nothing was seen
        assert (after["weights.0"] == before["weights.0"]).all()


def test_a_b_below_learns_from_what_it_sent():
    """Kolen and Pollack's B takes the transpose of every step of W_in."""
    rule = fa.Feedback("uniform", plasticity="kolen_pollack")
    net = network(2, "zero", below=(6,), feedback=[rule, fa.Feedback("normal")])
    x, y, _ = data(3, 2, 3, 8)
    gap = net.weights[1][:, :6].T - net.feedback_matrices[0]
    before = net.feedback_matrices[0].copy()
    for _ in range(3):
        net.train_sequences(x, y, fa.SGD(0.3), batch_size=3)
    assert np.abs(net.feedback_matrices[0] - before).max() > 1e-3
    np.testing.assert_allclose(net.weights[1][:, :6].T - net.feedback_matrices[0], gap, atol=1e-13)


def test_an_ensemble_learns_as_each_network_alone():
    x, y, _ = data(3, 2, 4, 9)
    alone, member = network(2), network(2)
    alone.train_sequences(x, y, fa.SGD(0.1))
    fa.Ensemble([member, network(2)]).train_sequences(x, y, fa.SGD(0.1))
    same(alone, member)


@pytest.mark.parametrize("delay", [-1, 10**6 + 1, 1.5, True])
def test_what_is_no_delay_is_refused(delay):
    with pytest.raises((ValueError, TypeError), match=r"\[Recurrent\] input_delay was "):
        fa.Recurrent(3, input_delay=delay)
