"""Gradients that are limited, layers with rates of their own: against the reference, by closed forms."""

from __future__ import annotations

import sys
from dataclasses import replace

import fastfa as fa
import numpy as np
import parity
import pytest
import reference
import reference_conv
from devices import ORDERS, emulated
from local_cases import Patches, local_case
from parity_cases import bits, plain_case

SCALES = (0.5, 0.7, 0.3, 0.2)
OPTIMIZERS = {
    "sgd": {},
    "momentum": {"momentum": 0.9},
    "nesterov": {"momentum": 0.9, "other": "nesterov"},
    "sum": {"reduction": "sum"},
    "adam": {"adam": True},
    "adamw": {"other": "adamw"},
    "rmsprop": {"other": "rmsprop"},
}
LIMITS = {
    "norm": [("clip_norm", 0.2)],
    "far norm": [("clip_norm", 1e6)],
    "value": [("clip_value", 0.01)],
}
RULES = [("fa", "fa"), ("kp", "direct kp"), ("bp", "shallow")]
WAYS = [
    {"scales": SCALES},
    *({"limits": each} for each in LIMITS.values()),
    {"scales": SCALES, "limits": LIMITS["norm"]},
    {"scales": SCALES, "limits": LIMITS["value"]},
]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("way", range(len(WAYS)))
def test_every_optimizer_against_the_reference(way, optimizer, dtype):
    batch = (1, 5, 33)[way % 3]
    for rules in RULES:
        case = plain_case(
            (9, 33, 17, 4), rules=rules, batch=batch, weight_decay=0.1, weighted=way % 2 == 1
        )
        parity.check(replace(case, **OPTIMIZERS[optimizer], **WAYS[way]), dtype)


@pytest.mark.parametrize("drive", ["step", "epoch", "both"])
@pytest.mark.parametrize("widths", [(1, 1), (3, 1, 2), (16, 65, 5), (40, 16, 129, 7)])
@pytest.mark.parametrize("way", range(len(WAYS)))
def test_sizes_and_ways_to_train(way, widths, drive):
    case = plain_case(widths, rules=("fa", "dfa"), batch=1 + 3 * way, short=way, sparse=True)
    density = (0.5, *case.density[1:])
    parity.check(
        replace(case, drive=drive, weight_decay=0.01, density=density, **WAYS[way]), "float64"
    )


@pytest.mark.parametrize("way", range(len(WAYS)))
def test_layers_of_patches(way):
    local = (Patches(3, (2, 3), stride=(2, 1), padding="same"), Patches(5, 2))
    case = local_case((2, 7, 6), local, 4, rules=("kp", "fa"), weight_decay=0.1, batch=7)
    parity.check(replace(case, **WAYS[way]), "float64")


@pytest.mark.parametrize("rule", ["fa", "kp", "bp"])
@pytest.mark.parametrize("limit", LIMITS)
def test_convolutions(limit, rule, rng):
    own = {"lr_scale": 0.5, "decay_scale": 2.0, "bias_lr_scale": 0.25, "bias_decay_scale": 0.5}
    layers = [fa.Conv2D(3, 3, activation="tanh", **own), fa.MaxPool2D(2), fa.Conv2D(4, 2, **own)]
    net = fa.Network((2, 9, 8), [*layers, fa.Dense(3)], rule, dtype="float64", seed=3)
    ref = reference_conv.of(net)
    x, y = rng.standard_normal((12, 2 * 9 * 8)), rng.uniform(-1, 1, (12, 3))
    for optimizer in (
        fa.SGD(0.1, weight_decay=0.1, **dict(LIMITS[limit])),
        fa.Adam(0.01, epsilon=0.01, weight_decay=0.1, **dict(LIMITS[limit])),
    ):
        for _ in range(4):
            net.step(x, y, optimizer)
            ref.step(x, y, optimizer)
    for name, error in parity.errors(net, ref, x, y):
        assert error < 1e-10, name


@emulated
@pytest.mark.parametrize("optimizer", ["momentum", "adam", "adamw"])
@pytest.mark.parametrize("way", range(len(WAYS)))
def test_devices(way, optimizer):
    for drive, batch in (("epoch", 3), ("step", 1)):
        case = plain_case((9, 33, 17, 4), rules=("kp", "fa"), batch=batch, weight_decay=0.1)
        case = replace(
            case, drive=drive, device=ORDERS[way % 3], **OPTIMIZERS[optimizer], **WAYS[way]
        )
        parity.check(case, "float32")


def network(**scales) -> fa.Network:
    layers = [fa.Dense(8, "tanh", **scales), fa.Dense(3)]
    return fa.Network(5, layers, "fa", seed=1, dtype="float64")


def numbers_of(net) -> np.ndarray:
    """All weights and biases in one row."""
    return np.concatenate([np.ravel(a) for a in (*net.weights, *net.biases)])


def examples(rng, count=20):
    return rng.standard_normal((count, 5)), rng.uniform(-1, 1, (count, 3))


@pytest.mark.parametrize("batch", [1, 20])
def test_limits_bound_the_change(batch, rng):
    """Plain SGD at η 1 moves W and b by the gradient: its norm is the limit."""
    x, y = examples(rng)
    for limit in (1e-3, 1e-2, 1e3):
        norm, value, free = (network() for _ in range(3))
        before = numbers_of(free)
        norm.step(x[:batch], y[:batch], fa.SGD(1.0, clip_norm=limit))
        value.step(x[:batch], y[:batch], fa.SGD(1.0, clip_value=limit))
        free.step(x[:batch], y[:batch], fa.SGD(1.0))
        change = numbers_of(free) - before
        whole = np.linalg.norm(change)
        expected = change * min(1, limit / whole)
        np.testing.assert_allclose(numbers_of(norm) - before, expected, atol=1e-15)
        expected = np.clip(change, -limit, limit)
        np.testing.assert_allclose(numbers_of(value) - before, expected, atol=1e-15)


def test_a_limit_nobody_reaches_changes_nothing_but_rounding(rng):
    x, y = examples(rng)
    free, limited = network(), network()
    for net, limit in ((free, None), (limited, 1e9)):
        net.train_epoch(x, y, fa.SGD(0.1, momentum=0.9, clip_norm=limit), batch_size=4)
    for left, right in zip(free.weights, limited.weights, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-12, atol=1e-15)


def test_a_rate_of_zero_leaves_the_bias_to_learn(rng):
    x, y = examples(rng)
    net = network(lr_scale=0.0, bias_lr_scale=1.0)
    w, b = np.array(net.weights[0]), np.array(net.biases[0])
    net.train_epoch(x, y, fa.Adam(0.01), batch_size=4)
    np.testing.assert_array_equal(net.weights[0], w)
    assert (np.asarray(net.biases[0]) != b).all()


def test_the_bias_learns_at_the_rate_of_its_layer(rng):
    assert fa.Dense(3, lr_scale=2.0) == fa.Dense(3, lr_scale=2.0, bias_lr_scale=2.0)
    x, y = examples(rng)
    one, other = network(lr_scale=2.0), network()
    one.step(x, y, fa.SGD(0.1))
    other.step(x, y, fa.SGD(0.2))
    for name in ("weights", "biases"):
        np.testing.assert_array_equal(getattr(one, name)[0], getattr(other, name)[0])
        assert (np.asarray(getattr(one, name)[1]) != getattr(other, name)[1]).all()


def test_feedback_that_learns_follows_the_rate_of_its_layer(rng):
    """Kolen–Pollack: B − Wᵀ shrinks by decay alone, so it must move as the layer above does."""
    layers = [fa.Dense(8, "tanh"), fa.Dense(3, lr_scale=0.3, decay_scale=3.0)]
    net = fa.Network(5, layers, "kp", seed=1, dtype="float64")
    before = net.feedback_matrices[0] - net.weights[1].T
    x, y = examples(rng)
    for _ in range(10):
        net.step(x, y, fa.SGD(0.1, weight_decay=0.5, clip_value=0.01))
    after = net.feedback_matrices[0] - net.weights[1].T
    np.testing.assert_allclose(after, before * (1 - 0.1 * 0.3 * 0.5 * 3.0) ** 10, rtol=1e-12)


@pytest.mark.parametrize("optimizer", [fa.SGD(0.1, clip_norm=0.1), fa.Adam(0.01, clip_value=0.01)])
def test_ensembles_have_the_bits_of_networks_alone(optimizer, rng):
    x, y = examples(rng, 64)
    together = [network(lr_scale=0.5), network(), network(bias_decay_scale=1.0)]
    alone = [network(lr_scale=0.5), network(), network(bias_decay_scale=1.0)]
    fa.Ensemble(together).train_epoch(x, y, optimizer, batch_size=1)
    for net in alone:
        net.train_epoch(x, y, optimizer, batch_size=1)
    for left, right in zip(together, alone, strict=True):
        assert bits(left) == bits(right)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_without_memory_for_gradients_nothing_changes(run_python):
    """B as well as W is as before, and so is Adam's count of steps."""
    run_python(
        """
import resource
import numpy as np, fastfa as fa
fa.set_num_threads(1)
net, twin = (fa.Network(4, [fa.Dense(6000, "tanh"), fa.Dense(6000, "tanh"), fa.Dense(3)], "kp", seed=1)
             for _ in range(2))
x, y = np.ones((5, 4)), np.ones((5, 3))
for each in (net, twin):
    each.step(x, y, fa.Adam(0.001))
with open("/proc/self/statm") as file:
    used = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 200_000_000,) * 2)
try:
    net.step(x, y, fa.Adam(0.001, clip_value=0.1))
except MemoryError as error:
    assert "a gradient, for clip_norm or clip_value, takes about" in str(error), error
else:
    raise AssertionError("there was enough memory")
for each in (net, twin):
    each.step(x, y, fa.Adam(0.001))
for left, right in zip(net.weights + net.feedback_matrices, twin.weights + twin.feedback_matrices):
    assert (np.asarray(left) == right).all()
"""
    )


def test_the_reference_limits(rng):
    """The reference itself: 3-4-5, by hand."""
    limited = reference.limit_of(fa.SGD(1.0, clip_norm=1.0), [np.array([3.0]), np.array([[4.0]])])
    assert limited(np.array([3.0])) == pytest.approx(0.6)
    limited = reference.limit_of(fa.SGD(1.0, clip_value=1.0), [])
    np.testing.assert_array_equal(limited(np.array([-3.0, 0.5])), [-1.0, 0.5])
