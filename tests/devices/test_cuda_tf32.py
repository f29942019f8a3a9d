"""Products on tensor cores: of factors rounded to TF32, where asked for and worth it, else exact."""

from __future__ import annotations

import fastfa as fa
import numpy as np
import pytest
from devices import ORDERS, emulated
from parity import relative_error

pytestmark = emulated
SIZES = [(32, 32, 32), (65, 70, 33), (100, 37, 129), (33, 128, 64)]  # examples, inputs, units


def rounded(x: np.ndarray) -> np.ndarray:
    """To ten bits of mantissa, to the nearest, ties away from zero; as float64."""
    bits = np.ascontiguousarray(x, dtype=np.float32).view(np.uint32)
    return ((bits + np.uint32(0x1000)) & np.uint32(0xFFFFE000)).view(np.float32).astype(np.float64)


def network(n_in: int, units: int, device: str = ORDERS[0], precision: str = "tf32", **more):
    layers = [fa.Dense(units, "tanh"), fa.Dense(units)]
    return fa.Network(n_in, layers, device=device, matmul_precision=precision, **more)


@pytest.mark.parametrize("size", SIZES)
def test_each_product_is_that_of_the_rounded_factors(size, rng):
    n, n_in, units = size
    x, y = (rng.standard_normal((n, k)).astype(np.float32) for k in (n_in, units))
    for order, rule in zip(ORDERS, ("fa", "bp", "fa"), strict=True):
        net = network(n_in, units, order, feedback=rule)
        w0, w1 = (np.array(w) for w in net.weights)
        a = rounded(x) @ rounded(w0).T
        h, out = net.activations(x)
        assert relative_error(h, np.tanh(a)) < 2e-6
        assert relative_error(h, np.tanh(x.astype(np.float64) @ w0.T.astype(np.float64))) > 2e-5
        assert relative_error(out, rounded(h) @ rounded(w1).T) < 2e-6
        below, above = net.deltas(x, y)
        b = np.array(net.feedback_matrices[0]) if rule == "fa" else w1.T
        expected = rounded(above) @ rounded(b).T * (1 - h.astype(np.float64) ** 2)
        assert relative_error(below, expected) < 2e-6
        net.step(x, y, fa.SGD(1.0))
        change = rounded(below).T @ rounded(x) / n
        assert relative_error(net.weights[0] - w0, change) < 1e-4  # of a difference


def test_small_products_and_others_are_exact(rng):
    x = rng.standard_normal((31, 40)).astype(np.float32)
    np.testing.assert_array_equal(
        network(40, 50).forward(x), network(40, 50, precision="float32").forward(x)
    )


def test_a_training_comes_as_far():
    """One epoch of some digits: close to the exact one, and not the same."""
    digits = fa.data.load("mnist-mini").train
    x, y = digits.x[:500, 200:400], fa.data.one_hot(digits.labels[:500], 10)
    found = []
    for precision in ("float32", "tf32"):
        layers = [fa.Dense(40, "logistic"), fa.Dense(10, "logistic")]
        feedback = fa.Feedback("uniform", scale=0.2)
        net = fa.Network(200, layers, feedback, loss="cross_entropy", device=ORDERS[0],
                         matmul_precision=precision)  # fmt: skip
        net.train_epoch(x, y, fa.SGD(0.5), batch_size=50)
        found.append(np.float64(net.weights[0]))
    assert 1e-7 < relative_error(found[1], found[0]) < 1e-3


def test_it_is_kept_by_checkpoints(tmp_path):
    net = network(9, 7)
    fa.save(tmp_path / "net.fastfa", net)
    assert fa.load(tmp_path / "net.fastfa").matmul_precision == "tf32"


@pytest.mark.parametrize(("device", "dtype"), [("cpu", "float32"), (ORDERS[0], "float64")])
def test_it_is_refused_where_it_cannot_be(device, dtype):
    with pytest.raises(
        ValueError, match=r"\[Network\] matmul_precision was 'tf32'; it must be 'float32'"
    ):
        network(5, 4, device, dtype=dtype)


def test_names_that_are_none():
    with pytest.raises(
        ValueError, match=r"matmul_precision was 'fp8'; it must be one of float32, bf16, tf32"
    ):
        network(5, 4, precision="fp8")


def test_bf16_is_the_processors():
    with pytest.raises(
        ValueError, match=r"matmul_precision was 'bf16'; it must be 'float32' .*'cuda"
    ):
        network(5, 4, precision="bf16")
