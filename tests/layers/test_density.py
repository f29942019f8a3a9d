"""Sparse forward weights: what is removed is zero for ever, and how much that is."""

from __future__ import annotations

import fastfa as fa
import numpy as np
import pytest
import reference
import reference_streams as streams

OPTIMIZERS = {
    "sgd": fa.SGD(0.1),
    "decay": fa.SGD(0.1, weight_decay=0.5),
    "momentum": fa.SGD(0.05, momentum=0.9, weight_decay=0.1),
    "sum": fa.SGD(0.01, momentum=0.5, reduction="sum"),
    "adam": fa.Adam(0.01, weight_decay=0.1),
    "nesterov": fa.SGD(0.1, momentum=0.9, weight_decay=0.1, nesterov=True),
    "adamw": fa.AdamW(0.01, weight_decay=0.1),
    "rmsprop": fa.RMSprop(0.01, weight_decay=0.1),
}


def network(density, rule="fa", *, widths=(17, 40, 33, 5), dtype="float64", **options):
    layers = [fa.Dense(n, "tanh", density=density, **options) for n in widths[1:]]
    return fa.Network(widths[0], layers, rule, seed=8, dtype=dtype)


def examples(rng, count=24, sparse=False):
    x = rng.standard_normal((count, 17)) * (rng.random((count, 17)) < (0.3 if sparse else 1))
    return x, rng.uniform(-1, 1, (count, 5))


@pytest.mark.parametrize("seed", [0, 2**63 + 1])
@pytest.mark.parametrize("density", [1.0, 0.5, 0.07])
def test_kept_weights_are_those_of_the_dense_network(density, seed):
    layers = [fa.Dense(n, "tanh", density=density) for n in (40, 33, 5)]
    dense = [fa.Dense(n, "tanh") for n in (40, 33, 5)]
    nets = [fa.Network(17, each, seed=seed, dtype="float64") for each in (layers, dense)]
    for i, (w, full) in enumerate(zip(nets[0].weights, nets[1].weights, strict=True)):
        keep = streams.kept(w.shape, density, seed, streams.MASK, i)
        np.testing.assert_array_equal(w, np.where(keep, full, 0))


@pytest.mark.parametrize("density", [0.5, 0.1, 0.9])
def test_the_share_that_is_kept(density):
    w = fa.Network(300, [fa.Dense(400, "linear", density=density)]).weights[0]
    sd = np.sqrt(density * (1 - density) / w.size)
    assert abs(np.mean(w != 0) - density) < 5 * sd
    for axis in (0, 1):  # in every row and column
        n = w.shape[axis]
        assert np.abs((w != 0).mean(axis=axis) - density).max() < 6 * np.sqrt(density / n / 2)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch", [1, 7, 24])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("rule", ["bp", "kp"])
def test_removed_weights_are_zero_for_ever(rule, optimizer, batch, dtype, rng):
    net = network(0.4, rule, dtype=dtype)
    removed = [np.asarray(w) == 0 for w in net.weights]
    before = [np.array(w) for w in net.weights]
    for sparse in (False, True):
        x, y = examples(rng, sparse=sparse)
        for _ in range(3):
            net.train_epoch(x, y, OPTIMIZERS[optimizer], batch_size=batch)
    for w, old, gone in zip(net.weights, before, removed, strict=True):
        assert not w[gone].any()
        assert (w != old)[~gone].mean() > 0.8  # not all: a unit may have lost all that it sends


def test_the_optimizer_may_change_and_removed_weights_stay(rng):
    net = network(0.4, "wm")
    removed = [np.asarray(w) == 0 for w in net.weights]
    x, y = examples(rng)
    for optimizer in [*OPTIMIZERS.values(), *reversed(OPTIMIZERS.values())]:
        net.train_epoch(x, y, optimizer, batch_size=5)
    for w, gone in zip(net.weights, removed, strict=True):
        assert not w[gone].any()


def test_a_state_that_is_loaded_keeps_them_removed(rng):
    net, other = network(0.4), network(0.4)
    removed = np.asarray(net.weights[1]) == 0
    x, y = examples(rng)
    net.train_epoch(x, y, fa.SGD(0.1), batch_size=5)
    other.load_state_dict(net.state_dict())
    other.train_epoch(x, y, fa.SGD(0.1), batch_size=5)
    np.testing.assert_array_equal(other.weights[1] == 0, removed)


@pytest.mark.parametrize("rule", ["bp", "fa", "dfa"])
def test_the_error_returns_through_what_is_kept(rule, rng):
    """Backprop's own feedback is sparse too; feedback alignment's is not."""
    net = network(0.3, rule)
    x, y = examples(rng)
    ref = reference.of(net)
    for left, right in zip(net.deltas(x, y), ref.deltas(x, y), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-10, atol=1e-14)
    zeros = [float(np.mean(np.asarray(b) == 0)) for b in net.feedback_matrices]
    assert min(zeros) > 0.55 if rule == "bp" else max(zeros) == 0


def test_half_of_w_and_half_of_b_leave_a_quarter_of_reciprocal_connections():
    """The paper: 50 % of the weights of either removed, so 25 % of pairs are connected both ways."""
    layers = [fa.Dense(1000, "logistic", density=0.5), fa.Dense(100, "logistic", density=0.5)]
    net = fa.Network(784, layers, fa.Feedback("sparse", density=0.5), loss="cross_entropy")
    forward, backward = np.asarray(net.weights[1]).T != 0, np.asarray(net.feedback_matrices[0]) != 0
    n = forward.size
    assert abs(forward.mean() - 0.5) < 5 * np.sqrt(0.25 / n)
    assert abs(backward.mean() - 0.5) < 5 * np.sqrt(0.25 / n)
    assert abs((forward & backward).mean() - 0.25) < 5 * np.sqrt(0.1875 / n)


def test_sparse_networks_with_sparse_feedback_learn(rng):
    layers = [fa.Dense(60, "tanh", density=0.5), fa.Dense(5, "linear", density=0.5)]
    net = fa.Network(17, layers, "sparse_fa", seed=1)
    x, _ = examples(rng, 300)
    y = np.tanh(x @ rng.standard_normal((17, 5)) / 4)
    before = net.evaluate(x, y).loss
    for _ in range(60):
        net.train_epoch(x, y, fa.SGD(0.05, momentum=0.9), batch_size=20)
    assert net.evaluate(x, y).loss < 0.2 * before


def test_a_frozen_sparse_layer_and_one_without_biases(rng):
    for options in ({"trainable": False}, {"bias": False}):
        net = network(0.5, "fa", **options)
        removed = [np.asarray(w) == 0 for w in net.weights]
        before = [np.array(w) for w in net.weights]
        x, y = examples(rng)
        net.train_epoch(x, y, OPTIMIZERS["momentum"], batch_size=3)
        for w, gone, old in zip(net.weights, removed, before, strict=True):
            assert not w[gone].any()
            assert np.array_equal(w, old) == ("trainable" in options)


def test_one_weight_or_none_may_be_left():
    for seed in range(20):
        net = fa.Network(2, [fa.Dense(1, "tanh", density=0.3), fa.Dense(2)], seed=seed)
        net.step(np.ones((3, 2)), np.ones((3, 2)), fa.SGD(0.1, momentum=0.9))
        assert np.isfinite(net.forward(np.ones((1, 2)))).all()
    assert fa.Dense(3, "tanh").density == 1.0
    assert fa.Dense(3, "tanh", density=0.25).density == 0.25
