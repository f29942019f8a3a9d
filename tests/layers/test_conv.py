"""Convolutions and pooling against the NumPy reference (reference_conv.py): training as a whole, on
shapes of every kind, under every rule.
"""

from __future__ import annotations

import fastfa as fa
import numpy as np
import pytest
import reference_conv
from conv_cases import (
    DTYPES,
    SGD,
    THROUGH,
    agrees,
    check_large_batch,
    check_noise_and_weights,
    check_random,
    check_rule,
    examples,
    lenet,
)
from parity_cases import rule_of


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("batch", [1, 2, 7, 16, 17, 33])
def test_random_networks(batch, depth, dtype):
    check_random(batch, depth, dtype)


# ---- every rule ----------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", THROUGH)
def test_every_rule_into_both_convolutions(rule):
    check_rule(rule)


@pytest.mark.parametrize("rule", ["wm", "pbp", "pseudoinverse 3"])
def test_rules_of_dense_layers_below_one(rule):
    """Into a convolution whose next layer with weights is dense: all of them."""
    rng = np.random.default_rng(1)
    agrees(lenet(["fa", rule_of(rule, 5, {"layerwise": 6}, rng), "fa"]), *examples())


def test_magnitudes_drawn_anew_have_the_signs_of_the_kernel():
    net = lenet("brsf")
    x, y = examples()
    seen = []
    for _ in range(3):
        ref = reference_conv.of(net)
        np.testing.assert_array_equal(np.sign(net.feedback_matrices[0]), np.sign(ref.matrix(1).T))
        for feedback, b in zip(ref.feedback, net.feedback_matrices, strict=True):
            feedback.matrix, feedback.pattern = np.array(b), None
        for own, expected in zip(net.deltas(x, y), ref.deltas(x, y), strict=True):
            np.testing.assert_allclose(own, expected, rtol=1e-10, atol=1e-14)
        seen.append(np.abs(net.feedback_matrices[0]).max())
        net.step(x, y, SGD)
    assert len(set(seen)) == 3
    assert max(seen) <= net.feedback_scales[0]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("pooling", [fa.AvgPool2D, fa.MaxPool2D])
def test_a_kernel_as_feedback_is_backprop(dtype, pooling):
    """B that is W gives the same bits as Wᵀ."""
    net, bp = (lenet(rule, dtype=dtype, pooling=(pooling,) * 2) for rule in ("fa", "bp"))
    state = net.state_dict()
    state["feedback.0"] = state["weights.1"]
    state["feedback.1"], state["feedback.2"] = state["weights.2"].T, state["weights.3"].T
    net.load_state_dict(state)
    x, y = examples(dtype=dtype)
    for own, expected in zip(net.deltas(x, y), bp.deltas(x, y), strict=True):
        np.testing.assert_array_equal(own, expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_node_perturbation_and_examples_that_count(dtype):
    check_noise_and_weights(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch", [256, 257, 1000])
def test_large_batches(batch, dtype):
    """Sums over positions and examples that are formed in parts."""
    check_large_batch(batch, dtype)


def test_a_convolution_is_a_local_layer_with_equal_weights():
    conv = fa.Network(
        (2, 9, 8), [fa.Conv2D(4, (3, 2), stride=2, padding="same"), fa.Dense(2)], "bp"
    )
    local = fa.Network(
        (2, 9, 8), [fa.LocallyConnected2D(4, (3, 2), stride=2, padding="same"), fa.Dense(2)], "bp"
    )
    conv.biases[0][...] = [1, -1, 2, 0]
    local.weights[0][...] = conv.weights[0][:, None, None]
    local.biases[0][...] = np.repeat(conv.biases[0], 20)
    local.weights[1][...] = conv.weights[1]
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((5, 2, 9, 8)), rng.standard_normal((5, 2))
    np.testing.assert_allclose(conv.forward(x), local.forward(x), rtol=1e-5, atol=1e-6)
    sgd = fa.SGD(0.1)
    start = np.array(conv.weights[0]), np.array(local.weights[0])
    conv.step(x, y, sgd)
    local.step(x, y, sgd)
    shared = (local.weights[0] - start[1]).sum(axis=(1, 2))
    np.testing.assert_allclose(conv.weights[0] - start[0], shared, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("pooling", [fa.AvgPool2D, fa.MaxPool2D])
def test_backprop_goes_down_the_gradient(pooling):
    net = lenet("bp", pooling=(pooling,) * 2)
    x, y = examples(4)

    def loss() -> float:
        return net.evaluate(x, y).loss

    rng, h = np.random.default_rng(0), 1e-5
    arrays = [*net.weights, *net.biases]
    picked = [tuple(rng.integers(0, n) for n in a.shape) for a in arrays for _ in range(4)]
    owners = [a for a in arrays for _ in range(4)]
    slopes = []
    for a, index in zip(owners, picked, strict=True):
        old = a[index]
        a[index] = old + h
        up = loss()
        a[index] = old - h
        slopes.append((up - loss()) / (2 * h))
        a[index] = old
    before = [a[index] for a, index in zip(owners, picked, strict=True)]
    net.step(x, y, fa.SGD(1.0))
    moved = [a[index] - b for a, index, b in zip(owners, picked, before, strict=True)]
    np.testing.assert_allclose(moved, -np.array(slopes), rtol=1e-6, atol=1e-9)
