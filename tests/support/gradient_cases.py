"""Central differences of a network's loss, and how near a gradient must be to them."""

from __future__ import annotations

import fastfa as fa
import numpy as np
import reference

WIDTHS = (4, 5, 3, 3)
H = 1e-5  # error of the difference: h² L'''/6 + eps L/h, both about 1e-10


def data(output: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Six examples; one-hot for softmax: its delta e is the gradient only if targets sum to 1."""
    x = rng.standard_normal((6, WIDTHS[0]))
    if output == "softmax":
        return x, np.eye(WIDTHS[-1])[rng.integers(0, WIDTHS[-1], 6)]
    return x, rng.random((6, WIDTHS[-1]))


def core_network(hidden: str, loss: str, output: str, feedback="bp") -> tuple[fa.Network, tuple]:
    """A small network none of whose examples lie within reach of a kink, and its data."""
    for seed in range(100):
        rng = np.random.default_rng(seed)
        layers = [fa.Dense(n, hidden, weight_scale=1.0) for n in WIDTHS[1:-1]]
        layers.append(fa.Dense(WIDTHS[-1], output, weight_scale=1.0))
        net = fa.Network(WIDTHS[0], layers, feedback, loss=loss, seed=seed, dtype="float64")
        for b in net.biases:
            b[...] = rng.standard_normal(b.shape)
        x, y = data(output, rng)
        kinks = [-1, 0, 1]
        if all(
            np.abs(np.subtract.outer(a, kinks)).min() > 100 * H
            for a in reference.of(net).pre_activations(x)
        ):
            return net, (x, y)
    raise AssertionError("no seed keeps clear of the kinks")


def loss_of(net: fa.Network, x: np.ndarray, y: np.ndarray) -> float:
    return net.evaluate(x, y).loss


def numerical_gradient(loss, array: np.ndarray) -> np.ndarray:
    """dL/d(array), changing each element in place and putting it back."""
    gradient = np.empty(array.shape)
    for index in np.ndindex(array.shape):
        kept = array[index]
        array[index] = kept + H
        above = loss()
        array[index] = kept - H
        below = loss()
        array[index] = kept
        gradient[index] = (above - below) / (2 * H)
    return gradient


def assert_close(actual: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(
        actual, expected, rtol=0, atol=1e-8 * max(1.0, np.abs(expected).max())
    )
