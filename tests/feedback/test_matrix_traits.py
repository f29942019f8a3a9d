"""The core's table of what is known of each matrix: every entry is what such a network does."""

from __future__ import annotations

from itertools import pairwise

import fastfa as fa
import numpy as np
import pytest
from fastfa import _core

TRAITS = pytest.mark.parametrize(("kind", "traits"), _core.MATRICES.items())
UNITS = (300, 12, 9, 4)  # too many inputs for the kernels of tiny networks


def rule(kind: str, shape=(1, 1), **more) -> fa.Feedback:
    needed = {"low_rank": {"rank": 3}, "array": {"array": np.ones(shape)}}.get(kind, {})
    return fa.Feedback(kind, **needed, **more)


def network(kind: str, **more) -> fa.Network:
    rules = [rule(kind, shape, **more) for shape in pairwise(UNITS[1:])]
    layers = [fa.Dense(n, "tanh") for n in UNITS[1:-1]] + [fa.Dense(UNITS[-1], "linear")]
    return fa.Network(UNITS[0], layers, rules, dtype="float64", seed=2)


def examples(rng, count=30):
    x = rng.normal(size=(count, UNITS[0])) * (rng.random((count, UNITS[0])) < 0.3)
    return x, rng.uniform(-1, 1, (count, UNITS[-1]))


@TRAITS
def test_scaled_is_what_has_a_scale(kind, traits):
    assert traits.scaled == all(scale > 0 for scale in network(kind).feedback_scales)
    if traits.scaled:
        assert network(kind, scale=0.7).feedback_scales == (0.7, 0.7)
    else:
        with pytest.raises(ValueError, match=rf"scale was 0\.7.*{kind}"):
            rule(kind, scale=0.7)


@TRAITS
def test_a_density_is_the_default_share_of_elements(kind, traits):
    if not traits.density:
        with pytest.raises(ValueError, match=rf"density was 0\.4.*{kind}"):
            rule(kind, density=0.4)
        return
    share = np.mean(rule(kind).toarray(300, 300, seed=1) != 0)
    assert share == pytest.approx(traits.density, abs=0.01)


@TRAITS
def test_what_learns_changes(kind, traits, rng):
    if not traits.learns:
        with pytest.raises(ValueError, match=f"plasticity was 'kolen_pollack'.*{kind}"):
            rule(kind, plasticity="kolen_pollack")
        return
    net = network(kind, plasticity="kolen_pollack")
    before = [b.copy() for b in net.feedback_matrices]
    net.step(*examples(rng), fa.SGD(0.1))
    assert all((b != old).any() for b, old in zip(net.feedback_matrices, before, strict=True))


@TRAITS
def test_what_follows_the_weights_is_another_with_other_weights(kind, traits):
    net = network(kind)
    before = [net._feedback_matrix(i).copy() for i in range(2)]
    for w in net.weights[1:]:
        w *= -1.5
    for i in range(2):
        assert (net._feedback_matrix(i) != before[i]).any() == traits.follows_weights


@TRAITS
def test_what_is_stored_dense_is_in_the_state(kind, traits):
    kept = {name for name in network(kind).state_dict() if name.startswith("feedback")}
    if kind != "sparse":  # stored dense unless it is very sparse
        assert kept == ({"feedback.0", "feedback.1"} if traits.stored_dense else set())


@TRAITS
@pytest.mark.parametrize("count", [1, 3])
def test_an_epoch_reads_the_same_weights_as_single_steps(kind, traits, count, rng):
    """An epoch may leave an update to the next forward pass, unless B reads the weights before it."""
    x, y = examples(rng)
    sgd = fa.SGD(0.03, weight_decay=1e-2)
    whole, steps = network(kind), network(kind)
    whole.train_epoch(x, y, sgd, batch_size=count, order=np.arange(len(x)))
    for i in range(0, len(x), count):
        steps.step(x[i : i + count], y[i : i + count], sgd)
    for name, array in steps.state_dict().items():
        np.testing.assert_array_equal(whole.state_dict()[name], array, err_msg=name)
    if traits.reads_weights_before_forward:
        assert traits.follows_weights
        assert traits.runs_on_host


@TRAITS
def test_what_has_the_pattern_of_w_is_zero_where_a_local_layer_has_no_weight(kind, traits):
    if kind in ("pseudoinverse", "zero"):  # not there, and nothing
        return
    layers = [
        fa.LocallyConnected2D(2, 2, activation="tanh"),
        fa.LocallyConnected2D(1, 2, activation="tanh"),
        fa.Dense(3, "linear"),
    ]
    image, units, above = (6, 6), 2 * 5 * 5, 4 * 4
    rules = [rule(kind, (units, above)), fa.Feedback("uniform")]
    net = fa.Network(image, layers, rules, dtype="float64", seed=2)
    net.weights[1][...] = 1.0
    exist = fa.Network(image, layers, "bp", dtype="float64", seed=2)
    exist.weights[1][...] = 1.0
    missing = exist._feedback_matrix(0) == 0
    assert 0 < missing.mean() < 1
    assert (net._feedback_matrix(0)[missing] == 0).all() == traits.of_pattern
