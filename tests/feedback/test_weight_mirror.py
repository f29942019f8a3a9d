"""The weight mirror: its phases by their equation, what is published, what it looks at."""

from __future__ import annotations

import fastfa as fa
import numpy as np
import pytest
import reference_streams as streams
from plasticity_cases import examples, network, plastic


def sigma(a):
    return 1 / (1 + np.exp(-a))


def mirror_of(net, i, count, mirror, step) -> np.ndarray:
    """B of hidden layer i after a mirror phase, from the equation: a logistic layer above, or the linear
    output."""
    w, b = net.weights[i + 1], np.asarray(net.feedback_matrices[i])
    xi = streams.step_uniform((count, w.shape[1]), mirror.noise, net.seed, i, step)
    above = sigma if i + 2 < len(net.weights) else np.array
    z = above(xi @ w.T + net.biases[i + 1])
    if mirror.centred:
        z = z - above(net.biases[i + 1])
    decay = min(1, count / (20 * w.shape[1])) if mirror.decay is None else mirror.decay
    growth = decay / (count * mirror.noise**2) if mirror.growth is None else mirror.growth
    return b + growth * xi.T @ z - decay * b


MIRRORS = [
    fa.WeightMirror(),
    fa.WeightMirror(growth=0.3, noise=0.5, every=3),
    fa.WeightMirror(growth=0.1, decay=0.2, noise=0.7, centred=True),
    fa.WeightMirror(decay=None),
    fa.WeightMirror.average(),
    fa.WeightMirror.average(0.3),
    fa.WeightMirror.average(1.0, noise=0.05, every=3),
]


@pytest.mark.parametrize("count", [1, 3, 12])
@pytest.mark.parametrize("mirror", MIRRORS, ids=repr)
@pytest.mark.parametrize("layer", [0, 1])
def test_one_mirror_phase_by_its_equation(mirror, count, layer, rng):
    """A step with rate 0 moves no weight, so that all that B does is mirror."""
    rules = ["shallow", "shallow"]
    rules[layer] = plastic(mirror)
    net = network(rules)
    net.biases[layer + 1][...] = rng.standard_normal(len(net.biases[layer + 1]))
    x, y = examples(rng, count)
    for step in range(1, 7):
        expected = mirror_of(net, layer, count, mirror, step)
        if step % mirror.every:
            expected = np.array(net.feedback_matrices[layer])
        net.step(x, y, fa.SGD(0.0))
        np.testing.assert_allclose(net.feedback_matrices[layer], expected, rtol=1e-12, atol=1e-15)


def akrouts_mirror(rng, w, b, backward, phases, batch):
    """The published code's phases (fcnn/FCNN_WM.py), in its own layout: examples in columns."""
    for _ in range(phases):
        noise_x = 0.1 * (rng.random((w.shape[1], batch)) - 0.5)
        noise_y = sigma(w @ noise_x + b[:, None])
        backward = backward + 0.01 * noise_x @ noise_y.T
    return backward


def test_the_default_mirror_is_the_published_one(rng):
    """After as many phases from the same start, B has grown as much as in the authors' code.

    500-10 of their 784-500-10, logistic, with batches of 128; noise differs, and so do B's digits.
    """
    layers = [fa.Dense(500, "logistic"), fa.Dense(10, "logistic", weight_scale=0.08)]
    net = fa.Network(30, layers, "wm", dtype="float64", loss="cross_entropy")
    net.biases[1][...] = rng.standard_normal(10)
    start, w = np.array(net.feedback_matrices[0]), np.array(net.weights[1])
    x, y = np.zeros((128, 30)), np.zeros((128, 10))
    for _ in range(300):
        net.step(x, y, fa.SGD(0.0))
    ours = net.feedback_matrices[0] - start
    theirs = akrouts_mirror(rng, w, net.biases[1], start, 300, 128) - start
    slope = sigma(net.biases[1]) * (1 - sigma(net.biases[1]))
    grown = 300 * 128 * 0.01 * 0.1**2 / 12 * slope * w.T  # what both do on average
    for b in (ours, theirs):
        assert np.vdot(b, grown) / np.vdot(grown, grown) == pytest.approx(1, abs=0.1)
    assert np.linalg.norm(ours) == pytest.approx(np.linalg.norm(theirs), rel=0.05)


def test_the_mirror_sees_the_new_weights(rng):
    mirror = fa.WeightMirror(growth=0.5, noise=1.0)
    net = network(["shallow", plastic(mirror)])
    x, y = examples(rng)
    before = np.array(net.feedback_matrices[1])
    net.step(x, y, fa.SGD(0.5))
    b = np.array(net.feedback_matrices[1])
    net.feedback_matrices[1][...] = before
    np.testing.assert_allclose(b, mirror_of(net, 1, len(x), mirror, 1), rtol=1e-12, atol=1e-15)


def test_the_mirrors_noise_has_the_variance_it_is_given(rng):
    """With r = 1, W = 1 and σ linear, B is the noise's own mean square over its nominal one."""
    layers = [fa.Dense(1, "linear"), fa.Dense(1, "linear")]
    net = fa.Network(1, layers, plastic(fa.WeightMirror.average(1.0, noise=0.3)), dtype="float64")
    net.weights[1][...] = 1
    seen = []
    for _ in range(10):
        net.step(np.ones((1000, 1)), np.ones((1000, 1)), fa.SGD(0.0))
        seen.append(net.feedback_matrices[0][0, 0])
    assert len(set(seen)) == 10  # each step draws new noise
    # ξ²/noise² of U(-√3, √3): mean 1, variance 4/5; five standard errors of 10,000
    assert abs(np.mean(seen) - 1) < 5 * np.sqrt(0.8 / 10_000)


def test_a_mirror_looks_at_frozen_weights_too(rng):
    """What B learns is what the layer above does with noise, trained or not."""
    net = network(plastic(fa.WeightMirror.average()), trainable=False)
    x, y = examples(rng)
    for _ in range(400):
        net.train_epoch(x, y, fa.SGD(0.0), batch_size=12)
    for b, w, slope in zip(net.feedback_matrices, net.weights[1:], (0.25, 1.0), strict=True):
        angle = fa.metrics.angle(np.ravel(b), np.ravel(np.asarray(w).T))
        assert angle < 25
        assert np.linalg.norm(b) == pytest.approx(slope * np.linalg.norm(w), rel=0.15)
