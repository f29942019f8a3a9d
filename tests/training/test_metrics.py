"""fastfa.metrics against their definitions."""

from __future__ import annotations

import dataclasses
import re

import fastfa as fa
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

finite = st.floats(-1e3, 1e3).filter(lambda v: abs(v) > 1e-3)


@pytest.mark.parametrize(
    ("u", "v", "degrees"),
    [
        ([1, 0], [1, 0], 0),
        ([1, 0], [0, 1], 90),
        ([1, 0], [-1, 0], 180),  # signed: |u.v| would say 0
        ([1, 0], [1, 1], 45),
        ([1, 0], [-1, 1], 135),
        ([3, 4, 0], [6, 8, 0], 0),
        ([1, 1, 1, 1], [1, 0, 0, 0], 60),
    ],
)
def test_angles_that_are_known(u, v, degrees):
    assert fa.metrics.angle(np.array(u, float), np.array(v, float)) == pytest.approx(
        degrees, abs=1e-6
    )


@given(st.lists(st.tuples(finite, finite), min_size=1, max_size=8), finite, finite)
def test_an_angle_depends_on_directions_only(pairs, p, q):
    u, v = np.array(pairs).T
    plain = fa.metrics.angle(u, v)
    assert 0 <= plain <= 180
    assert fa.metrics.angle(v, u) == pytest.approx(plain, abs=1e-4)
    assert fa.metrics.angle(abs(p) * u, abs(q) * v) == pytest.approx(plain, abs=1e-4)
    assert fa.metrics.angle(u, -v) == pytest.approx(180 - plain, abs=1e-4)


def test_angles_of_what_is_broadcast_along_that_axis(rng):
    u, v = rng.standard_normal((1, 3)), rng.standard_normal((5, 3))
    expected = fa.metrics.angle(np.repeat(u, 5, axis=0), v, axis=0)
    np.testing.assert_allclose(fa.metrics.angle(u, v, axis=0), expected)
    np.testing.assert_allclose(fa.metrics.angle(u[0], v, axis=0), expected)


def test_angles_along_an_axis(rng):
    u, v = rng.standard_normal((5, 7)), rng.standard_normal((5, 7))
    rows = fa.metrics.angle(u, v)
    assert rows.shape == (5,)
    np.testing.assert_allclose(rows, [fa.metrics.angle(a, b) for a, b in zip(u, v, strict=True)])
    np.testing.assert_allclose(fa.metrics.angle(u, v, axis=0), fa.metrics.angle(u.T, v.T))


def test_nearly_parallel_vectors_give_an_angle_and_not_nan():
    for dtype in ("float32", "float64"):
        u = np.full(1000, 0.1, dtype)
        assert fa.metrics.angle(u, u) == pytest.approx(0, abs=0.05)
        assert fa.metrics.angle(u, -u) == pytest.approx(180, abs=0.05)


def test_very_long_and_very_short_vectors_have_angles():
    u, v = np.array([1.0, 0.0]), np.array([1.0, 1.0])
    for size in (1e-200, 1e200):
        assert fa.metrics.angle(size * u, size * v) == pytest.approx(45)
    assert fa.metrics.angle(np.float32(1e30) * u.astype("f4"), v.astype("f4")) == pytest.approx(45)


def test_a_zero_vector_has_no_angle():
    u, v = np.array([[0.0, 0.0], [1.0, 0.0]]), np.array([[1.0, 0.0], [1.0, 0.0]])
    np.testing.assert_array_equal(fa.metrics.angle(u, v), [np.nan, 0.0])
    assert np.isnan(fa.metrics.angle(v[0], u[0]))


def test_nse_by_its_definition(rng):
    target, output = rng.standard_normal((20, 3)), rng.standard_normal((20, 3))
    expected = np.sum((target - output) ** 2) / np.sum((target - target.mean(axis=0)) ** 2)
    assert fa.metrics.nse(target, output) == pytest.approx(expected, rel=1e-12)


def test_nse_of_a_perfect_output_is_0_and_of_the_mean_is_1(rng):
    target = rng.standard_normal((20, 3)) + 5
    assert fa.metrics.nse(target, target) == 0
    mean = np.broadcast_to(target.mean(axis=0), target.shape)
    assert fa.metrics.nse(target, mean) == pytest.approx(1)


def test_error_rate_is_the_fraction_of_wrong_predictions(rng):
    net = fa.Network(5, [fa.Dense(8, "tanh"), fa.Dense(3, "linear")])
    x, labels = rng.standard_normal((60, 5)), rng.integers(0, 3, 60)
    assert fa.metrics.error_rate(net, x, labels) == pytest.approx(np.mean(net.predict(x) != labels))
    assert fa.metrics.error_rate(net, x, net.predict(x)) == 0
    assert fa.metrics.error_rate(net, x, (net.predict(x) + 1) % 3) == 1


def network(rule) -> fa.Network:
    layers = [fa.Dense(40, "tanh"), fa.Dense(30, "tanh"), fa.Dense(4, "linear")]
    return fa.Network(6, layers, rule, dtype="float64", seed=2)


def field(entry, name: str) -> float:
    return entry[name] if isinstance(entry, dict) else dataclasses.asdict(entry)[name]


@pytest.mark.parametrize("rule", ["fa", "dfa", ["fa", fa.Feedback("normal", scale=2.0)]])
def test_alignment_by_its_definition(rule, rng):
    net = network(rule)
    x, y = rng.standard_normal((25, 6)), rng.standard_normal((25, 4))
    entries = fa.metrics.alignment(net, x, y)
    assert len(entries) == 2
    own, bp = net.deltas(x, y), net.deltas(x, y, feedback="bp")
    for i, entry in enumerate(entries):
        u, v = own[i], bp[i]
        lengths = np.linalg.norm(u, axis=1), np.linalg.norm(v, axis=1)
        angles = np.degrees(np.arccos(np.sum(u * v, axis=1) / (lengths[0] * lengths[1])))
        assert field(entry, "angle_bp") == pytest.approx(angles.mean(), rel=1e-9)
        assert field(entry, "angle_bp_sd") == pytest.approx(angles.std(), rel=1e-9)


def test_alignment_of_weights_and_sizes(rng):
    """Layerwise feedback is compared with the transposed forward weights, element by element."""
    net = network("fa")
    x, y = rng.standard_normal((25, 6)), rng.standard_normal((25, 4))
    for i, entry in enumerate(fa.metrics.alignment(net, x, y)):
        b, w = np.asarray(net.feedback_matrices[i]), np.asarray(net.weights[i + 1]).T
        cosine = np.sum(b * w) / (np.linalg.norm(b) * np.linalg.norm(w))
        assert field(entry, "weight_angle") == pytest.approx(
            np.degrees(np.arccos(cosine)), rel=1e-9
        )


def test_backprop_is_aligned_with_itself(rng):
    x, y = rng.standard_normal((25, 6)), rng.standard_normal((25, 4))
    for entry in fa.metrics.alignment(network("bp"), x, y):
        assert field(entry, "angle_bp") == pytest.approx(0, abs=1e-4)
        assert field(entry, "weight_angle") == pytest.approx(0, abs=1e-4)
        assert field(entry, "norm_ratio") == pytest.approx(1)


def test_feedback_that_is_minus_the_transpose_stands_at_180_degrees(rng):
    bp = network("bp")
    net = network([fa.Feedback("array", array=-np.array(w.T)) for w in bp.weights[1:]])
    x, y = rng.standard_normal((25, 6)), rng.standard_normal((25, 4))
    top = fa.metrics.alignment(net, x, y)[-1]
    assert field(top, "angle_bp") == pytest.approx(180, abs=1e-4)
    assert field(top, "weight_angle") == pytest.approx(180, abs=1e-4)


def test_alignment_leaves_the_network_alone(rng):
    net = network("fa")
    before = net.state_dict()
    fa.metrics.alignment(net, rng.random((9, 6)), rng.random((9, 4)))
    after = net.state_dict()
    assert all(np.array_equal(before[name], after[name]) for name in before)
    assert net.steps == 0


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: fa.metrics.angle(np.ones(3), np.ones(4)), ["3", "4"]),
        (lambda: fa.metrics.nse(np.ones((4, 2)), np.ones((4, 3))), ["2", "3"]),
        (
            lambda: fa.metrics.error_rate(network("fa"), np.ones((2, 6)), [1, 4]),
            [r"\[1, 4\]", r"\[0, 3\]"],
        ),
        (lambda: fa.metrics.error_rate(network("fa"), np.ones((2, 6)), [-1, 3]), [r"\[-1, 3\]"]),
        (
            lambda: fa.metrics.nse(np.ones((4, 2)), np.zeros((4, 2))),
            ["constant|variance|vary|varies|same"],
        ),
    ],
    ids=[
        "angle shapes",
        "nse shapes",
        "labels from 1",
        "labels below 0",
        "nse of a constant target",
    ],
)
def test_metrics_without_a_value_are_errors(call, words):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (the words are checked below)
        call()
    for word in words:
        assert re.search(word, str(caught.value)), str(caught.value)
