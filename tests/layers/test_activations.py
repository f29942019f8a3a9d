"""What activations have beside σ and σ′, which parity and finite differences look at: their other names,
the slope of leaky units, and values far out."""

from __future__ import annotations

import fastfa as fa
import numpy as np
import pytest
import reference
from fastfa import _core
from parity_cases import ANYWHERE, HIDDEN, bits


def trained(*layers, feedback="fa", dtype="float32", batch=8) -> fa.Network:
    net = fa.Network(5, [*layers, fa.Dense(3)], feedback, seed=1, dtype=dtype)
    rng = np.random.default_rng(2)
    net.train_epoch(
        rng.standard_normal((40, 5)), rng.standard_normal((40, 3)), fa.SGD(0.1), batch_size=batch
    )
    return net


@pytest.mark.parametrize("batch", [1, 8])
@pytest.mark.parametrize(("slope", "name"), [(0.0, "relu"), (1.0, "linear"), (0.05, "leaky_relu")])
def test_a_leaky_slope_makes_units_of_another_name(slope, name, batch):
    leaky = trained(fa.Dense(7, "leaky_relu", leaky_slope=slope), feedback="bp", batch=batch)
    assert bits(leaky) == bits(trained(fa.Dense(7, name), feedback="bp", batch=batch))


@pytest.mark.parametrize("batch", [1, 8, 40])
def test_a_leaky_slope_of_ones_own_is_that_of_the_forward_and_the_backward_pass(batch, rng):
    layers = [fa.Dense(9, "leaky_relu", leaky_slope=0.3), fa.Dense(4)]
    net = fa.Network(6, layers, "bp", dtype="float64")
    x, y = rng.standard_normal((batch, 6)), rng.standard_normal((batch, 4))
    a = x @ net.weights[0].T
    h = np.where(a > 0, a, 0.3 * a)
    delta = y - h @ net.weights[1].T
    np.testing.assert_allclose(net.activations(x)[0], h, rtol=1e-12)
    back = delta @ net.weights[1] * np.where(a > 0, 1, 0.3)
    np.testing.assert_allclose(net.deltas(x, y)[0], back, rtol=1e-10)
    w = net.weights[0] + 0.1 * back.T @ x / batch
    net.step(x, y, fa.SGD(0.1))
    np.testing.assert_allclose(net.weights[0], w, rtol=1e-10)


def test_networks_with_other_slopes_do_not_share_lanes(rng):
    """Tiny networks of one kind learn side by side; a slope is part of the kind."""
    x, y = rng.standard_normal((30, 5)), rng.standard_normal((30, 3))

    def nets():
        slopes = [0.1] * 8 + [0.4] * 8
        return [
            fa.Network(5, [fa.Dense(4, "leaky_relu", leaky_slope=s), fa.Dense(3)], seed=i)
            for i, s in enumerate(slopes)
        ]

    together, alone = nets(), nets()
    fa.Ensemble(together).train_epoch(x, y, fa.SGD(0.1), batch_size=1)
    for one, other in zip(together, alone, strict=True):
        other.train_epoch(x, y, fa.SGD(0.1), batch_size=1)
        np.testing.assert_allclose(one.weights[0], other.weights[0], rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize(("other", "name"), _core.ALIASES.items())
def test_other_names_are_understood_and_the_own_one_is_kept(other, name):
    if name in _core.LOSSES:
        top = "logistic" if name == "cross_entropy" else "linear"
        assert fa.Network(2, [fa.Dense(1, top)], loss=other).loss == name
    else:
        assert fa.Dense(2, other) == fa.Dense(2, name)
        assert fa.Dense(2, other).activation == name


def test_the_default_slope_is_the_papers():
    assert fa.Dense(2, "leaky_relu").leaky_slope == 1 / 20
    assert fa.Dense(2, "relu").leaky_slope is None


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", HIDDEN)
def test_values_far_out_and_close_to_0(name, dtype):
    """In float32 to its rounding of the value, where the value isn't itself a small difference."""
    far = np.geomspace(1e-6, 60, 400)
    a = np.concatenate([-far, [0], far]).astype(dtype)
    layers = [fa.Dense(1, name, bias=False), fa.Dense(1, bias=False)]
    net = fa.Network(1, layers, fa.Feedback("array", array=[[1.0]]), dtype=dtype)
    net.weights[0][...] = 1
    net.weights[1][...] = 0
    x = a[:, None]
    h = net.activations(x)[0][:, 0]
    want = reference.sigma(name, a.astype(float))
    # tanh and the logistic function of float32 are Eigen's, cut off where they round to ±1, 0 or 1
    tolerance = (
        {"rtol": 2e-6, "atol": 1e-7} if dtype == "float32" else {"rtol": 1e-12, "atol": 1e-16}
    )
    np.testing.assert_allclose(h, want, **tolerance)
    slope = net.deltas(x, np.ones_like(x))[0][:, 0]  # δ of the output is 1
    want = reference.sigma_prime(name, a.astype(float))
    np.testing.assert_allclose(slope, want, rtol=0, atol=1e-6 if dtype == "float32" else 1e-12)


@pytest.mark.parametrize("name", sorted(set(HIDDEN) - set(ANYWHERE)))
def test_a_slope_that_is_kept_is_that_of_the_pass_that_feedback_belongs_to(name, rng):
    """A step in parts keeps its pass while others are computed."""
    x, y = rng.standard_normal((6, 5)), rng.standard_normal((6, 3))
    whole, parts = (trained(fa.Dense(7, name), fa.Dense(4, name)) for _ in range(2))
    whole.step(x, y, fa.SGD(0.1))
    out = parts.forward_step(x)
    parts.forward(-3 * x)
    parts.deltas(x + 1, y)
    fa.metrics.alignment(parts, x - 1, y)
    parts.apply_error(y.astype("float32") - out, fa.SGD(0.1))
    assert bits(whole) == bits(parts)
