"""Locally connected layers: what must hold whatever the numbers are, and what users see of them."""

from __future__ import annotations

import fastfa as fa
import numpy as np
import pytest
import reference
import reference_feedback
import reference_local
import reference_streams as streams
from local_cases import SGD, assert_alike, examples, network
from parity import TOLERANCE, relative_error

LC = fa.LocallyConnected2D
DRAWN = {
    "uniform": "fa",
    "uniform 0.4": fa.Feedback("uniform", scale=0.4),
    "dfa": "dfa",
    "drtp": "drtp",
    "shallow": "shallow",
    "normal": fa.Feedback("normal"),
    "orthogonal": fa.Feedback("orthogonal"),
    "sparse": "sparse_fa",
    "sparse 0.1": fa.Feedback("sparse", density=0.1),
    "low_rank": fa.Feedback("low_rank", rank=2),
    "binary": fa.Feedback("binary"),
    "direct binary": fa.Feedback("binary", route="direct"),
    "ternary": fa.Feedback("ternary"),
    "hadamard": fa.Feedback("hadamard"),
    "procedural": fa.Feedback("procedural"),
}
TIED = {"bp": "bp", "usf": "usf", "frsf": "frsf", "brsf": "brsf"}
BOUND = {"float64": 1e-12, "float32": 1e-5}


def as_arrays(net: fa.Network) -> list[fa.Feedback]:
    """The same feedback, each matrix handed over as the user's own dense array."""
    return [
        fa.Feedback("array", array=np.array(b), route=fb.route)
        for fb, b in zip(net.feedback, net.feedback_matrices, strict=True)
    ]


# ---- rules against each other ------------------------------------------------------------------


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("batch", [1, 7, 130])
def test_an_array_holding_the_transpose_is_backprop(batch, padding, rng):
    bp = network("bp", padding=padding)
    ref = reference.of(bp)
    transposes = [ref.matrix(i).T for i in (1, 2)]
    own = network([fa.Feedback("array", array=w) for w in transposes], padding=padding)
    x, y = examples(rng, batch)
    for left, right in zip(bp.deltas(x, y), own.deltas(x, y), strict=True):
        assert relative_error(left, right) <= 1e-12
    for net in (bp, own):
        net.step(x, y, SGD)
    for left, right in zip([*bp.weights, *bp.biases], [*own.weights, *own.biases], strict=True):
        assert relative_error(left, np.array(right)) <= 1e-12
    for left, right in zip(bp.feedback_matrices, ref.weights, strict=False):
        assert left.shape != right.shape  # dense
        assert not left.flags.writeable


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize("rule", DRAWN)
def test_every_kind_trains_like_an_array_holding_its_matrix(rule, batch, dtype, rng):
    net = network(DRAWN[rule], dtype=dtype)
    own = network(as_arrays(net), dtype=dtype)
    x, y = examples(rng, dtype=dtype)
    # An array of zeros sends zeros, and its layer decays; where nothing is sent a layer stays.
    sgd = fa.SGD(SGD.lr) if rule == "shallow" else SGD
    for each in (net, own):
        each.train_epoch(x, y, sgd, batch_size=batch)
    assert_alike(net, own, x, y, BOUND[dtype])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rule", TIED)
def test_a_tied_matrix_is_at_every_step_an_array_that_is_copied_anew(rule, dtype, rng):
    net, own = network(TIED[rule], dtype=dtype), network("shallow", dtype=dtype)
    x, y = examples(rng, 30, dtype)
    for start in range(0, 30, 6):
        own.set_feedback(as_arrays(net))
        for each in (net, own):
            each.step(x[start : start + 6], y[start : start + 6], SGD)
    own.set_feedback(as_arrays(net))
    assert_alike(net, own, x, y, TOLERANCE[dtype])


def test_redrawn_magnitudes_have_the_pattern_the_signs_and_the_range(rng):
    """Which magnitude is where is the core's own; all else about them is not."""
    net = network(fa.Feedback("sign", magnitude="redrawn", scale=0.3))
    x, y = examples(rng)
    seen = []
    for _ in range(40):
        b = net.feedback_matrices[0]
        np.testing.assert_array_equal(np.sign(b), np.sign(reference.of(net).matrix(1).T))
        np.testing.assert_array_equal(b, net.feedback_matrices[0])  # the same when asked twice
        seen.append(np.abs(b[b != 0]) / 0.3)
        net.step(x, y, fa.SGD(1e-6))
    u = np.array(seen)  # (steps, weights inside the image)
    assert 0 < u.min() < 1e-3 < 1 - 1e-3 < u.max() < 1
    assert len(np.unique(u)) > 0.99 * u.size
    assert abs(u.mean() - 0.5) < 5 / np.sqrt(12 * u.size)
    assert abs(u.var() - 1 / 12) < 5 / np.sqrt(180 * u.size)
    for a, b in ((u[:-1], u[1:]), (u[:, :-1], u[:, 1:])):
        assert abs(np.mean((a - 0.5) * (b - 0.5))) * 12 < 5 / np.sqrt(a.size)


# ---- what is drawn -----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", [0, 7, 2**63 + 5])
def test_weights_and_feedback_are_their_philox_streams(seed, dtype):
    layers = [LC(3, (2, 3), padding="same"), LC(2, 2, weight_scale=0.25), fa.Dense(4)]
    net = fa.Network((2, 4, 5), layers, "fa", seed=seed, dtype=dtype)
    for i, scale in ((0, 1 / np.sqrt(2 * 2 * 3)), (1, 0.25)):
        drawn = streams.uniform(net.weights[i].shape, scale, seed, streams.WEIGHTS, i)
        np.testing.assert_array_equal(net.weights[i], drawn.astype(dtype))
        assert not np.any(net.biases[i])
    b6 = net.state_dict()["feedback.0"]
    assert b6.shape == net.weights[1].shape
    beta = np.sqrt(3 * (3 * 4 * 5) / b6.size)  # equal_error: n_below over the number of weights
    assert net.feedback_scales[0] == pytest.approx(beta, rel=1e-12)
    drawn = streams.uniform(b6.shape, beta, seed, streams.FEEDBACK, 0)
    np.testing.assert_allclose(b6, drawn, rtol=1e-15 if dtype == "float64" else 1e-7)
    pattern = reference_local.of(net.layers[1], net.shapes[1])
    np.testing.assert_array_equal(net.feedback_matrices[0], pattern.dense(b6).T)
    assert not net.feedback_matrices[0].flags.writeable
    net.set_feedback("dfa")
    net.set_feedback("fa")
    np.testing.assert_array_equal(net.state_dict()["feedback.0"], b6)


def test_equal_error_counts_weights_and_not_units():
    """The sign's scale too; and matrices that are dense, or another route, are as ever."""
    net = network(["usf", "usf"])
    count, slope = net.weights[1].size, reference_feedback.expected_slopes(net)[0]
    assert net.feedback_scales[0] == pytest.approx(np.sqrt(45 / count / slope))
    net.set_feedback(["frsf", "usf"])
    assert net.feedback_scales[0] == pytest.approx(np.sqrt(3 * 45 / count / slope))
    net.set_feedback(fa.Feedback("normal"))
    assert net.feedback_scales[0] == pytest.approx(1 / np.sqrt(75 * slope))
    assert net.feedback_matrices[0].shape == (45, 75)


@pytest.mark.parametrize("rule", ["fa", "usf"])
def test_a_local_output_sends_as_much_as_a_dense_one_would(rule):
    """Each hidden unit hears few outputs, and so the louder: var(B) = gain² n_below / weights."""
    local = [fa.LocallyConnected2D(2, 2), fa.LocallyConnected2D(3, 2)]
    net = fa.Network((4, 4), local, rule, dtype="float64")
    gain, weights, below = np.sqrt(12 / (3 * 18)), net.weights[1].size, 18
    variance = gain**2 * below / weights
    scale = np.sqrt(3 * variance if rule == "fa" else variance)
    assert net.feedback_scales[0] == pytest.approx(scale, rel=1e-12)
