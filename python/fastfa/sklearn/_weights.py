"""Example weights as numbers of presentations: who counts twice is shown twice."""

from __future__ import annotations

import numpy as np

from ..data import permutation
from ..network import Network
from ..trainer import Trainer

_MOST = 10  # presentations per example and epoch, on average
_PARTS = 2**20


def presentations_wanted(weights: np.ndarray) -> np.ndarray:
    """How often each of N examples is to be shown in an epoch, on average.

    Whole numbers are counts and stay what they are; anything else, and counts above ten on average, is
    taken relative to its mean, so that an epoch has N presentations.

    Raises
    ------
    ValueError
        If a weight is negative, or all are zero.
    """
    if weights.min() < 0 or not weights.any():
        raise ValueError(
            f"[fit] sample_weight, times class_weight, lies in [{weights.min():g}, {weights.max():g}]; "
            "no weight may be negative, and one at least must be positive"
        )
    if (weights == np.floor(weights)).all() and weights.mean() <= _MOST:
        return weights
    return weights / weights.max() / (weights / weights.max()).mean()


def drawn(wanted: np.ndarray, seed: int, epoch: int) -> np.ndarray:
    """The examples of an epoch in their own order, each ⌊wanted⌋ or ⌈wanted⌉ times.

    Systematic sampling: one random shift for all, so that sums over neighbours are kept too.
    """
    shift = np.random.default_rng([seed, epoch]).integers(_PARTS) / _PARTS
    counts = np.diff(np.floor(np.cumsum(wanted) + shift), prepend=0.0).astype(np.int64)
    return np.repeat(np.arange(len(wanted)), counts)


class WeightedTrainer(Trainer):
    """A `Trainer` whose epochs show each example as often as its weight says."""

    def __init__(
        self, net: Network, optimizer: object, wanted: np.ndarray | None, **kwargs
    ) -> None:
        super().__init__(net, optimizer, **kwargs)
        self._wanted = wanted

    def _order(self, epoch: int, n: int) -> np.ndarray:
        if self._wanted is None:
            return super()._order(epoch, n)
        shown = drawn(self._wanted, self.seed, epoch)
        return shown[permutation(len(shown), self.seed, epoch)] if self.shuffle else shown
