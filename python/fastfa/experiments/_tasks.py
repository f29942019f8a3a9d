"""Tasks of the paper: target functions, their data, and networks that learn them with one rule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import SGD, Dense, Feedback, Network, metrics
from ..feedback import ScaleName


def linear_task(
    seed: int, n_in: int, n_out: int, examples: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Task 1 of the Methods: y* = T x.

    Returns
    -------
    T : ndarray, (n_out, n_in)
        Uniform in (−1, 1).
    X, Y : ndarray, (examples, n_in) and (examples, n_out)
        x ~ N(0, I), and its target.
    """
    rng = np.random.default_rng((seed, n_in, n_out))
    T = rng.uniform(-1.0, 1.0, (n_out, n_in))
    X = rng.standard_normal((examples, n_in))
    return T, X, X @ T.T


def nonlinear_task(
    seed: int, sizes: Sequence[int], scale: float, examples: int
) -> tuple[np.ndarray, np.ndarray]:
    """Task 3 of the Methods: y* = W₂ tanh(W₁ tanh(W₀ x + b₀) + b₁) + b₂, for any number of layers.

    Parameters
    ----------
    sizes
        Of the target network, such as (30, 20, 10, 10).
    scale
        Its weights and biases are uniform in (−scale, scale).

    Returns
    -------
    X, Y : ndarray, (examples, sizes[0]) and (examples, sizes[-1])
    """
    target = tanh_network(sizes, seed=seed, weight_scale=scale)
    rng = np.random.default_rng((seed, *sizes))
    draw_biases(target, rng, scale)
    X = rng.standard_normal((examples, sizes[0]))
    return X, target.forward(X)


def linear_network(
    sizes: Sequence[int], feedback: Any, seed: int, weight_scale: float, feedback_scale: float
) -> Network:
    """A linear network without biases, float64; ``"fa"`` stands for B uniform in ±`feedback_scale`."""
    return Network(
        sizes[0],
        [Dense(n, bias=False, weight_scale=weight_scale) for n in sizes[1:]],
        feedback=uniform(feedback, feedback_scale),
        seed=seed,
        dtype="float64",
    )


def tanh_network(
    sizes: Sequence[int],
    feedback: Any = "bp",
    *,
    seed: int,
    weight_scale: float | None = None,
    feedback_scale: float | ScaleName = "equal_before_slope",
    frozen: Sequence[int] = (),
) -> Network:
    """tanh hidden units, linear outputs, biases, float64; layers whose index is in `frozen` stay."""
    last = len(sizes) - 2
    return Network(
        sizes[0],
        [
            Dense(
                n,
                "linear" if i == last else "tanh",
                weight_scale=weight_scale,
                trainable=i not in frozen,
            )
            for i, n in enumerate(sizes[1:])
        ],
        feedback=uniform(feedback, feedback_scale),
        seed=seed,
        dtype="float64",
    )


def draw_biases(net: Network, rng: np.random.Generator, scale: float | None = None) -> None:
    """Biases uniform in (−scale, scale); by default in ±1/√n_in, as weights are."""
    for weights, b in zip(net.weights, net.biases, strict=True):
        half = 1 / np.sqrt(weights.shape[1]) if scale is None else scale
        b[...] = rng.uniform(-half, half, b.shape)


def uniform(feedback: Any, scale: float | ScaleName) -> Any:
    """The rule; for ``"fa"`` with B uniform in (−scale, scale)."""
    return Feedback("uniform", scale=scale) if feedback == "fa" else feedback


def learning_curve(
    net: Network,
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    optimizer: SGD,
    points: Sequence[int],
    batch_size: int = 1,
) -> list[float]:
    """Train through the examples in their order; NSE on `test` after as many examples as `points` say.

    Beyond the last example the first ones come again. `points` rise, by whole batches.
    """
    X, Y = train
    curve, seen = [], 0
    for point in points:
        if point > seen:
            order = np.arange(seen, point) % len(X)
            net.train_epoch(X, Y, optimizer, batch_size=batch_size, order=order)
            seen = point
        curve.append(metrics.nse(test[1], net.forward(test[0])))
    return curve


def spaced(last: int, count: int, step: int = 1) -> list[int]:
    """0 … last in about `count` equal parts, multiples of `step`."""
    return sorted({round(k * last / (count * step)) * step for k in range(count + 1)})


def quadratic_task(
    seed: int, n_in: int, n_out: int, examples: int
) -> tuple[np.ndarray, np.ndarray]:
    """y*_k = xᵀ Q_k x + r_k·x, less its mean, with x ~ N(0, I); both parts have variance near 1.

    Returns
    -------
    X, Y : ndarray, (examples, n_in) and (examples, n_out)
    """
    rng = np.random.default_rng((seed, n_in, n_out))
    Q = rng.standard_normal((n_out, n_in, n_in)) / n_in
    R = rng.standard_normal((n_out, n_in)) / np.sqrt(n_in)
    X = rng.standard_normal((examples, n_in))
    Y = np.einsum("ni,kij,nj->nk", X, Q, X, optimize=True) + X @ R.T
    return X, Y - Y.mean(axis=0)
