"""Where in time a network in time diverged."""

from __future__ import annotations

import pickle

import fastfa as fa
import numpy as np
import pytest

T = 9


def network(below=(), phi="linear", feedback="fa", scale=1.0, back="zero"):
    layers = [*(fa.Dense(n) for n in below), fa.Recurrent(5, phi, recurrent_feedback=back)]
    return fa.Network(
        2, [*layers, fa.Dense(1)], fa.Feedback("normal", scale=scale), seed=1, dtype="float64"
    )


def sequences(count=3, spike=None, at=4):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(count, T, 2)), rng.normal(size=(count, T, 1))
    if spike is not None:
        spike = {"x": x, "y": y}[spike]
        spike[1 if count > 1 else 0, at] = 1e139
    return x, y


def stopped(call):
    with pytest.raises(fa.DivergenceError) as caught:
        call()
    return caught.value


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("at", [0, 4, 8])
@pytest.mark.parametrize("update", ["sequence", "step", "window"])
def test_of_a_forward_pass(update, at, count):
    net = network()
    net.weights[0][...] *= 100
    x, y = sequences(count, "x", at)
    how = {"update": update, "window": 2 if update == "window" else None, "batch_size": count}
    error = stopped(lambda: net.train_sequences(x, y, fa.SGD(0.0), **how))
    assert (error.layer, error.time) == (0, at)
    assert f", time {at}: a pre-activation is" in str(error)
    assert pickle.loads(pickle.dumps(error)).time == at
    for call in (net.evaluate_sequences, net.deltas_sequences):
        assert stopped(lambda call=call: call(x, y)).time == at


@pytest.mark.parametrize("below", [(), (4,)])
def test_of_the_readout_and_of_layers_below(below):
    net = network(below)
    net.weights[-1][...] *= 1e3
    x, y = sequences()
    x *= 1e120
    y[2, 6] = 1e141  # its delta
    error = stopped(lambda: net.train_sequences(x, y, fa.SGD(0.1), batch_size=3))
    assert (error.layer, error.time) == (len(below) + 1, 6)
    if below:
        net.weights[0][...] *= 1e3
        x[0, 5] = 1e139
        error = stopped(lambda: net.train_sequences(x, y, fa.SGD(0.1), batch_size=3))
        assert (error.layer, error.time) == (0, 5)


def test_of_the_errors_into_the_layer_and_back_in_time():
    x, y = sequences(3, "y", 5)
    net = network(scale=100.0)
    error = stopped(lambda: net.train_sequences(x, y, fa.SGD(0.1), batch_size=3))
    assert (error.layer, error.time) == (0, 5)
    grows = fa.Feedback("array", array=np.eye(5) * 1e60)
    net = network(back=grows)
    x, y = sequences()
    error = stopped(lambda: net.train_sequences(x, y, fa.SGD(0.1), batch_size=3))
    # d grows by 1e60 a step: 1e180 is out of range.
    assert (error.layer, error.time) == (0, T - 1 - 3)


def test_where_there_is_no_time_it_is_none():
    net = fa.Network(2, [fa.Dense(3), fa.Dense(1)], dtype="float64")
    net.weights[0][...] *= 1e20
    error = stopped(lambda: net.step(np.full((1, 2), 1e139), np.zeros((1, 1)), fa.SGD(0.1)))
    assert error.time is None
    assert "time" not in str(error)


def test_an_ensemble_says_it_of_the_first():
    nets = [network(), network()]
    nets[1].weights[0][...] *= 100
    x, y = sequences(3, "x", 7)
    error = stopped(lambda: fa.Ensemble(nets).train_sequences(x, y, fa.SGD(0.0), batch_size=3))
    assert error.time == error.stopped[1].time == 7


def test_in_parts_there_is_one_step_of_time():
    net = network()
    net.weights[0][...] *= 100
    net.forward_step(np.ones((1, 2)))
    assert stopped(lambda: net.forward_step(np.full((1, 2), 1e139))).time is None
