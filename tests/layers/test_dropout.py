"""Dropout: masks from their Philox stream, in the pass up and down, and nowhere else."""

from __future__ import annotations

import fastfa as fa
import numpy as np
import pytest
import reference
import reference_streams as streams

DROPOUT = 10  # purpose
WIDTHS = (23, 37, 18, 5)


def mask(shape, rate: float, seed: int, layer: int, step: int) -> np.ndarray:
    """1 / (1 − rate) or 0; layer 0 is the input, 1 the first hidden layer."""
    kept = streams.step_units(shape, seed, DROPOUT, layer, step) >= rate
    return kept / (1 - rate)


def network(rates, feedback="fa", *, hidden="tanh", dtype="float64", seed=3, loss="squared_error"):
    """Dropout at these rates above the input and the two hidden layers."""
    layers: list = []
    for width, rate in zip(WIDTHS[1:-1], rates[1:], strict=True):
        layers += [fa.Dense(width, hidden), *([fa.Dropout(rate)] if rate else [])]
    output = "linear" if loss == "squared_error" else "softmax"
    first = [fa.Dropout(rates[0])] if rates[0] else []
    return fa.Network(
        WIDTHS[0],
        [*first, *layers, fa.Dense(WIDTHS[-1], output)],
        feedback,
        loss=loss,
        dtype=dtype,
        seed=seed,
    )


def examples(rng, n=40):
    return rng.standard_normal((n, WIDTHS[0])), rng.uniform(-1, 1, (n, WIDTHS[-1]))


def step(w, b, matrices, rates, hidden, x, y, lr, seed, t):
    """One step of SGD (mean) of the network with two hidden layers, masks at step t."""
    masks = [mask((len(x), WIDTHS[i]), rates[i], seed, i, t) if rates[i] else 1.0 for i in range(3)]
    out, pre = [x * masks[0]], []
    for i in range(3):
        pre.append(out[-1] @ w[i].T + b[i])
        if i < 2:
            out.append(reference.sigma(hidden, pre[-1]) * masks[i + 1])
    delta = [None, None, y - pre[2]]
    for i in (1, 0):
        carrier = w[i + 1].T if matrices is None else matrices[i]
        slope = reference.sigma_prime(hidden, pre[i])
        delta[i] = (delta[i + 1] @ carrier.T) * slope * masks[i + 1]
    new_w = [w[i] + lr * delta[i].T @ out[i] / len(x) for i in range(3)]
    return new_w, [b[i] + lr * delta[i].mean(axis=0) for i in range(3)]


@pytest.mark.parametrize("rates", [(0.2, 0.5, 0.3), (0.0, 0.5, 0.0), (0.4, 0.0, 0.0)])
@pytest.mark.parametrize("rule", ["bp", "fa"])
@pytest.mark.parametrize(("batch", "hidden"), [(1, "logistic"), (7, "tanh"), (40, "leaky_relu")])
def test_steps_are_those_of_the_masked_network(rates, rule, batch, hidden, rng):
    net = network(rates, rule, hidden=hidden)
    w, b = [np.array(a) for a in net.weights], [np.array(a) for a in net.biases]
    matrices = None if rule == "bp" else [np.array(m) for m in net.feedback_matrices]
    x, y = examples(rng)
    for t in range(5):
        rows = np.arange(t * batch, (t + 1) * batch) % len(x)
        net.step(x[rows], y[rows], fa.SGD(0.3))
        w, b = step(w, b, matrices, rates, hidden, x[rows], y[rows], 0.3, 3, t)
    for got, expected in zip([*net.weights, *net.biases], [*w, *b], strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-13)


def test_float32_draws_the_same_masks(rng):
    x, y = examples(rng)
    nets = [network((0.2, 0.5, 0.5), dtype=dtype) for dtype in ("float32", "float64")]
    for net in nets:
        net.train_epoch(x, y, fa.SGD(0.1), batch_size=8)
    for left, right in zip(nets[0].weights, nets[1].weights, strict=True):
        assert np.linalg.norm(left - right) < 1e-5 * np.linalg.norm(right)


def test_looking_drops_nothing(rng):
    x, y = examples(rng)
    with_dropout, without = network((0.5, 0.5, 0.5)), network((0.0, 0.0, 0.0))
    np.testing.assert_array_equal(with_dropout.forward(x), without.forward(x))
    assert with_dropout.evaluate(x, y) == without.evaluate(x, y)
    for left, right in zip(with_dropout.deltas(x, y), without.deltas(x, y), strict=True):
        np.testing.assert_array_equal(left, right)
    assert fa.metrics.alignment(with_dropout, x, y) == fa.metrics.alignment(without, x, y)


def test_dropout_of_nothing_is_no_dropout(rng):
    x, y = examples(rng)
    layers = [fa.Dropout(0.0), fa.Dense(8, "tanh"), fa.Dropout(0.0), fa.Dense(5)]
    nets = [fa.Network(23, chosen, seed=1) for chosen in (layers, layers[1::2])]
    for net in nets:
        net.train_epoch(x, y, fa.SGD(0.1), batch_size=7)
    np.testing.assert_array_equal(nets[0].weights[0], nets[1].weights[0])


def test_masks_are_new_at_every_step_and_as_dense_as_they_should_be():
    """A frozen first layer passes ones; what moves above it tells which units were there."""
    layers = [fa.Dense(4000, "linear", weight_scale=0, trainable=False), fa.Dropout(0.3)]
    net = fa.Network(1, [*layers, fa.Dense(1, "linear", weight_scale=0)], seed=5)
    net.biases[0][...] = 1.0
    kept = []
    for _ in range(3):
        before = np.array(net.weights[1])
        net.step([[1.0]], [[9.0]], fa.SGD(0.1))
        kept.append((net.weights[1] != before)[0])
    for each in kept:
        assert abs(each.mean() - 0.7) < 5 * np.sqrt(0.21 / 4000)
    assert 0.4 < (kept[0] == kept[1]).mean() < 0.7


@pytest.mark.parametrize(
    "rule",
    ["dfa", "drtp", "kp", "wm", "pbp", "usf", fa.NodePerturbation(0.05), fa.Feedback("binary")],
    ids=str,
)
def test_every_rule_learns_with_dropout_on_any_number_of_threads(rule, rng, restore_threads):
    x, y = examples(rng)
    found = []
    for threads in (1, 2, 3):
        fa.set_num_threads(threads)
        net = network((0.1, 0.3, 0.3), rule, dtype="float32")
        net.train_epoch(x, y, fa.SGD(0.01, momentum=0.5, weight_decay=1e-3), batch_size=16)
        found.append(net.state_dict())
    for other in found[1:]:
        for name, array in found[0].items():
            np.testing.assert_array_equal(array, other[name], err_msg=name)
            assert np.isfinite(array).all()


def test_kolen_pollack_sees_what_the_layer_above_sees(rng):
    """B moves as Wᵀ does: dropped units move neither."""
    x, y = examples(rng, 1)
    layers = [fa.Dense(50, "tanh"), fa.Dropout(0.5), fa.Dense(5)]
    net = fa.Network(23, layers, "kp", dtype="float64")
    w, b = np.array(net.weights[1]), np.array(net.feedback_matrices[0])
    net.step(x, y, fa.SGD(0.5))
    np.testing.assert_allclose(net.feedback_matrices[0] - b, (net.weights[1] - w).T, atol=1e-14)
    still = (net.weights[1] == w).all(axis=0)
    assert 10 < still.sum() < 40


def test_a_dropped_unit_gets_no_perturbation(rng):
    x, y = examples(rng, 1)
    net = network((0.0, 0.5, 0.0), fa.NodePerturbation(0.1))
    w, m = np.array(net.weights[0]), mask((1, 37), 0.5, 3, 1, 0)[0]
    net.step(x, y, fa.SGD(0.5))
    np.testing.assert_array_equal((net.weights[0] == w).all(axis=1), m == 0)


def test_a_local_layer_may_be_dropped(rng):
    local = fa.LocallyConnected2D(3, 3, activation="tanh")
    net = fa.Network((6, 6), [local, fa.Dropout(0.5), fa.Dense(2)], "bp", dtype="float64", seed=2)
    w, x = np.array(net.weights[0]), rng.standard_normal((1, 6, 6))
    net.step(x, np.ones((1, 2)), fa.SGD(0.1))
    moved = (net.weights[0] != w).any(axis=(3, 4, 5)).ravel()  # units are (maps, out_h, out_w)
    np.testing.assert_array_equal(moved, mask((1, 48), 0.5, 2, 1, 0)[0] > 0)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: fa.Dropout(1.0), ["rate", "1.0", "must"]),
        (lambda: fa.Dropout(-0.1), ["rate", "-0.1", "must"]),
        (lambda: fa.Dropout("half"), ["rate", "half", "must"]),
        (lambda: fa.Network(3, [fa.Dense(2), fa.Dropout(0.5)]), ["layers[1]", "Dropout", "output"]),
        (
            lambda: fa.Network(3, [fa.Dropout(0.5), fa.Dropout(0.5), fa.Dense(2)]),
            ["layers[1]", "Dropout"],
        ),
        (lambda: fa.Network(3, [fa.Dropout(0.5)]), ["layers"]),
    ],
    ids=["one", "negative", "text", "above the output", "two", "alone"],
)
def test_bad_dropout_is_explained(make, words):
    with pytest.raises((ValueError, TypeError)) as caught:
        make()
    for word in words:
        assert word in str(caught.value)
