"""Nesterov's momentum, AdamW and RMSprop: closed forms, and what they remember of each other."""

from __future__ import annotations

import dataclasses

import fastfa as fa
import numpy as np
import pytest
import reference
from fastfa import optim
from parity import relative_error

NESTEROV = fa.SGD(0.05, momentum=0.9, nesterov=True)
KINDS = [fa.SGD(0.05), fa.SGD(0.05, momentum=0.9), NESTEROV, fa.Adam(0.01, epsilon=1e-3)]
KINDS += [fa.AdamW(0.01, epsilon=1e-3), fa.RMSprop(0.01, epsilon=1e-3)]


def network(feedback="fa", seed=1, **options) -> fa.Network:
    layers = [fa.Dense(11, "tanh"), fa.Dense(7, "tanh"), fa.Dense(3)]
    return fa.Network(5, layers, feedback, seed=seed, **{"dtype": "float64", **options})


def examples(rng, count=20):
    return rng.standard_normal((count, 5)), rng.uniform(-1, 1, (count, 3))


def far(bias=False) -> tuple[fa.Network, np.ndarray, np.ndarray]:
    """A unit whose target is so far away that its gradient, 1e6 downhill, hardly changes."""
    layer = fa.Dense(1, "linear", weight_scale=0.0, bias=bias)
    return fa.Network(1, [layer], dtype="float64"), np.ones((1, 1)), np.full((1, 1), 1e6)


def test_nesterov_is_ahead_of_momentum_by_its_next_step():
    """v = g (1 + α + α² …): W moves by g + α v."""
    net, x, y = far()
    moved, v = 0.0, 0.0
    for _ in range(20):
        net.step(x, y, fa.SGD(1e-9, momentum=0.9, nesterov=True))
        v = 0.9 * v + 1e-3
        moved += 1e-3 + 0.9 * v
        assert net.weights[0][0, 0] == pytest.approx(moved, rel=1e-6)


def test_rmsprop_begins_with_large_steps():
    """s after t steps is (1 − ρᵗ) g², which nothing corrects."""
    net, x, y = far()
    moved = 0.0
    for t in range(1, 30):
        net.step(x, y, fa.RMSprop(1e-3, rho=0.9))
        moved += 1e-3 / np.sqrt(1 - 0.9**t)
        assert net.weights[0][0, 0] == pytest.approx(moved, rel=1e-6)


def test_the_decay_of_adamw_does_not_depend_on_the_gradient(rng):
    """Where the input is zero, W falls by η γ W a step; biases don't."""
    x, y = examples(rng)
    x[:, 2] = 0
    net = network()
    before, twin = np.array(net.weights[0]), network()
    for _ in range(3):
        net.step(x, y, fa.AdamW(0.01, weight_decay=0.5))
        twin.step(x, y, fa.AdamW(0.01, weight_decay=0.0))
    np.testing.assert_allclose(net.weights[0][:, 2], before[:, 2] * 0.995**3, rtol=1e-12)
    np.testing.assert_array_equal(twin.weights[0][:, 2], before[:, 2])


def test_adamw_without_decay_is_adam(rng):
    x, y = examples(rng)
    nets = network(dtype="float32"), network(dtype="float32")
    for net, kind in zip(nets, (fa.Adam, fa.AdamW), strict=True):
        net.train_epoch(x.astype("f4"), y.astype("f4"), kind(0.01, weight_decay=0), batch_size=3)
    for left, right in zip(*(net.weights for net in nets), strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("batch", [1, 5])
@pytest.mark.parametrize("rule", ["fa", "kp"])
def test_memory_of_another_kind_is_dropped(rule, batch, rng):
    """Adam and AdamW go on with each other's means, both kinds of momentum with their velocity."""
    net = network(rule)
    ref = reference.of(net)
    x, y = examples(rng)
    order = [*KINDS, *reversed(KINDS), KINDS[5], KINDS[1], KINDS[5], KINDS[4], KINDS[0]]
    for optimizer in order:
        for each in (net, ref):
            each.train_epoch(x, y, optimizer, batch_size=batch)
        arrays = zip([*net.weights, *net.biases], [*ref.weights, *ref.biases], strict=True)
        assert max(relative_error(a, b) for a, b in arrays) < 1e-10, optimizer


def test_what_is_remembered_is_what_is_needed(rng, tmp_path):
    """RMSprop keeps one array for each of the parameters, Adam two."""
    x, y = examples(rng)
    sizes = []
    for optimizer in (KINDS[0], NESTEROV, fa.Adam(0.01), fa.AdamW(0.01), fa.RMSprop(0.01)):
        net = network()
        net.step(x, y, optimizer)
        fa.save(tmp_path / "net.safetensors", net)
        names = fa.load(tmp_path / "net.safetensors")._net.progress()[1]
        sizes.append((names, (tmp_path / "net.safetensors").stat().st_size))
    assert [name for name, _ in sizes] == ["none", "velocity", "adam", "adam", "squares"]
    none, one, two = sizes[0][1], sizes[1][1], sizes[2][1]
    assert abs(sizes[4][1] - one) < 0.1 * (one - none)
    assert two - none > 1.8 * (one - none)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", [fa.AdamW, fa.RMSprop])
def test_a_gradient_whose_square_is_infinite_makes_a_step_like_any_other(kind, dtype):
    layer = fa.Dense(1, "linear", weight_scale=0.0, bias=False)
    net = fa.Network(1, [layer], dtype=dtype)
    x = np.full((3, 1), 1e13 if dtype == "float32" else 1e139, dtype)
    net.step(x, x, kind(0.01))
    first = 0.01 if kind is fa.AdamW else 0.1
    assert net.weights[0][0, 0] == pytest.approx(first, rel=1e-5)


def test_an_optimizer_is_found_by_its_name_with_all_its_settings():
    """What commands and estimators read is what the classes have."""
    assert [*optim.BY_NAME] == ["sgd", "adam", "adamw", "rmsprop"]
    for kind in optim.OPTIMIZERS:
        names = {f.name for f in dataclasses.fields(kind)}
        assert names == {
            "lr",
            *(n for n in optim.SETTINGS if kind.__name__.lower() in optim.owners(n)),
        }
        assert kind(kind._rate)._spec() is not None
    assert optim.EXPECTED == "an SGD, Adam, AdamW or RMSprop"


def test_one_derived_from_an_optimizer_is_one(rng):
    class Mine(fa.RMSprop):
        pass

    x, y = examples(rng)
    nets = network(), network()
    for net, kind in zip(nets, (Mine, fa.RMSprop), strict=True):
        net.step(x, y, kind(0.01))
    np.testing.assert_array_equal(nets[0].weights[0], nets[1].weights[0])
