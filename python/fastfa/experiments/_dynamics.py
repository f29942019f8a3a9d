"""Deterministic dynamics of the linear network: ΔW = η E Aᵀ, ΔA = η B E (Supplementary Note 11)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .. import SGD, Dense, Feedback, Network, metrics

# With the unit vectors as inputs and added updates, a step is the expected update for x ~ N(0, I):
# the sum over the examples of e hᵀ is E Aᵀ, and of (B e) xᵀ it is B E.


class LinearDynamics:
    """A linear network that learns T with feedback B by expected updates.

    Parameters
    ----------
    T : ndarray, (n_out, n_in)
    B : ndarray, (n_hidden, n_out)
    seed, weight_scale
        Of the initial A and W, uniform in ±`weight_scale`.

    Attributes
    ----------
    A, W : ndarray, (n_hidden, n_in) and (n_out, n_hidden)
        Views of the weights: writing them moves the network.
    """

    def __init__(
        self, T: np.ndarray, B: np.ndarray, seed: int = 0, weight_scale: float = 0.0
    ) -> None:
        self.T, self.B = T, B
        self.X, self.Y = np.eye(T.shape[1]), np.ascontiguousarray(T.T)
        # A network each for what may learn: both layers, A alone, W alone.
        self._nets = {
            which: Network(
                T.shape[1],
                [
                    Dense(n, bias=False, weight_scale=weight_scale, trainable=layer in which)
                    for n, layer in zip(B.shape, ("A", "W"), strict=True)
                ],
                feedback=Feedback("array", array=B),
                seed=seed,
                dtype="float64",
            )
            for which in ("AW", "A", "W")
        }
        self.A, self.W = self._nets["AW"].weights

    def learn(self, steps: int, eta: float, which: str = "AW") -> None:
        """`steps` updates of A, W or both; `eta` is the learning rate."""
        net, n = self._nets[which], len(self.X)
        net.weights[0][...], net.weights[1][...] = self.A, self.W
        rate = SGD(eta, reduction="sum")
        net.train_epoch(self.X, self.Y, rate, batch_size=n, order=np.tile(np.arange(n), steps))
        if which != "AW":
            self.A[...], self.W[...] = net.weights

    def flow(self, state: np.ndarray | None = None) -> np.ndarray:
        """(dA/dt, dW/dt) as one vector, at `state`, a vector of A and W, or where the network is."""
        if state is not None:
            self.A[...] = state[: self.A.size].reshape(self.A.shape)
            self.W[...] = state[self.A.size :].reshape(self.W.shape)
        net = self._nets["AW"]
        hidden, output = net.deltas(self.X, self.Y)
        h = net.activations(self.X)[0]
        return np.concatenate([(hidden.T @ self.X).ravel(), (output.T @ h).ravel()])

    @property
    def E(self) -> np.ndarray:
        """T − W A, (n_out, n_in)."""
        return self.T - self.W @ self.A

    def measures(self) -> tuple[float, float, float]:
        """tr(AᵀBE), tr(BW), and the error |E|² relative to |T|²."""
        (layer,) = metrics.alignment(
            self._nets["AW"], self.X, self.Y, measures=["trace_abe", "trace_bw"]
        )
        error = float(np.sum(self.E**2) / np.sum(self.T**2))
        return layer.trace_abe * len(self.X), layer.trace_bw, error


def random_dynamics(
    seed: int, sizes: Sequence[int], weight_scale: float, feedback_scale: float
) -> LinearDynamics:
    """T uniform in ±1 and B in ±`feedback_scale`, drawn from the seed as the weights are."""
    rng = np.random.default_rng((seed, *sizes))
    T = rng.uniform(-1.0, 1.0, (sizes[2], sizes[0]))
    B = rng.uniform(-feedback_scale, feedback_scale, (sizes[1], sizes[2]))
    return LinearDynamics(T, B, seed, weight_scale)
