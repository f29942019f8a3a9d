"""Sign matrices with magnitudes of the caller's own: B = M ∘ sign(Wᵀ)."""

from __future__ import annotations

import copy

import fastfa as fa
import numpy as np
import pytest
from parity import TOLERANCE, relative_error

SIZES = [(5, 7, 3), (33, 17, 16), (64, 65, 1), (1, 2, 129)]


def own(units, source, rng):
    magnitudes = rng.random((units, source))
    magnitudes[rng.random(magnitudes.shape) < 0.2] = 0  # connections that don't exist
    return fa.Feedback("sign", magnitude="array", array=magnitudes)


def network(sizes, rng, dtype="float64", **options):
    n_in, hidden, n_out = sizes
    layers = [fa.Dense(hidden, "tanh"), fa.Dense(n_out, **options)]
    return fa.Network(n_in, layers, own(hidden, n_out, rng), seed=3, dtype=dtype)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("sizes", SIZES)
def test_b_follows_the_signs_and_has_these_magnitudes(sizes, dtype, rng):
    net = network(sizes, rng, dtype)
    magnitudes = net.feedback[0].array
    x = rng.standard_normal((21, sizes[0])).astype(dtype)
    y = rng.standard_normal((21, sizes[2])).astype(dtype)
    for batch in (1, 4, 21):
        b = magnitudes * np.sign(net.weights[1].T)
        np.testing.assert_allclose(net.feedback_matrices[0], b, rtol=1e-6)
        h, out = net.activations(x)
        expected = ((y - out) @ b.T) * (1 - h**2)
        assert relative_error(net.deltas(x, y)[0], expected) < TOLERANCE[dtype]
        net.train_epoch(x, y, fa.SGD(0.02), batch_size=batch)
    assert net.feedback_scales == (0.0,)


def test_magnitudes_that_were_drawn_once_and_are_given_are_frsf(rng):
    frsf = fa.Network(6, [fa.Dense(9), fa.Dense(5, "tanh"), fa.Dense(4)], "frsf", seed=1)
    rules = [
        fa.Feedback("sign", magnitude="array", array=np.abs(b)) for b in frsf.feedback_matrices
    ]
    mine = fa.Network(6, frsf.layers, rules, seed=1)
    x = rng.standard_normal((40, 6)).astype("float32")
    y = rng.standard_normal((40, 4)).astype("float32")
    for net in (frsf, mine):
        net.train_epoch(x, y, fa.Adam(0.01), batch_size=3)
    for a, b in zip(frsf.weights, mine.weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_weight_that_is_not_there_sends_nothing(rng):
    net = network((5, 40, 30), rng, density=0.3)
    gone = net.weights[1].T == 0
    assert gone.any()
    assert (net.feedback_matrices[0][gone] == 0).all()


def test_they_travel(rng, tmp_path):
    net = network((5, 7, 3), rng, "float32")
    x, y = (rng.standard_normal((20, n)).astype("float32") for n in (5, 3))
    net.train_epoch(x, y, fa.SGD(0.1), batch_size=4)
    fa.save(tmp_path / "net.safetensors", net)
    others = [fa.load(tmp_path / "net.safetensors"), copy.deepcopy(net)]
    net.train_epoch(x, y, fa.SGD(0.1), batch_size=4)
    fa.Ensemble(others).train_epoch(x, y, fa.SGD(0.1), batch_size=4)
    for other in others:
        np.testing.assert_array_equal(other.feedback[0].array, net.feedback[0].array)
        np.testing.assert_allclose(other.weights[0], net.weights[0], rtol=1e-5)


@pytest.mark.parametrize(
    "make",
    [
        lambda m: fa.Feedback("sign", magnitude="array"),
        lambda m: fa.Feedback("sign", array=m),
        lambda m: fa.Feedback("uniform", magnitude="array", array=m),
        lambda m: fa.Feedback("sign", magnitude="array", array=-m),
        lambda m: fa.Feedback("sign", magnitude="array", array=m, scale=0.1),
        lambda m: fa.Network(5, [7, 3], fa.Feedback("sign", magnitude="array", array=m[1:])),
        lambda m: fa.Network(
            (1, 6, 6),
            [fa.Dense(7), fa.LocallyConnected2D(1, 2), fa.Dense(3)],
            fa.Feedback("sign", magnitude="array", array=m),
        ),
    ],
)
def test_what_is_not_magnitudes_is_refused(make):
    with pytest.raises((ValueError, TypeError), match=r"^\[(Feedback|Network)\]"):
        make(np.ones((7, 3)))


def test_calibration_says_that_they_have_no_scale(rng):
    net = network((5, 7, 3), rng)
    with pytest.raises(ValueError, match="magnitudes of your own, which has no scale"):
        net.calibrate_feedback(np.ones((4, 5)), np.ones((4, 3)), gain=1.0)
