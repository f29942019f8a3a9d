"""Schedules that depend on the epoch alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from .. import _check
from .._attributes import immutable
from ..history import History
from .base import Schedule, check_initial, first_rate, set_fields, started_at


@final
@immutable
@dataclass(frozen=True)
class Constant(Schedule):
    """The same η in every epoch.

    Parameters
    ----------
    initial
        η; the optimizer's if None.
    """

    initial: float | None = None

    def __post_init__(self) -> None:
        check_initial(self)

    def starting_at(self, lr: float) -> Constant:
        return started_at(self, lr)

    def lr(self, epoch: int, history: History) -> float:
        return first_rate(self)


@final
@immutable
@dataclass(frozen=True)
class Steps(Schedule):
    """Fixed steps: from epoch ``e`` on, η is ``rates[e]``.

    Parameters
    ----------
    rates
        ``{epoch: η}``, epochs from 1.
    initial
        η before the first step; the optimizer's if None.
    """

    rates: Mapping[int, float]
    initial: float | None = None

    def __post_init__(self) -> None:
        check_initial(self)
        if not isinstance(self.rates, Mapping):
            raise TypeError(f"[Steps] rates was {self.rates!r}; it must be a mapping {{epoch: η}}")
        if not self.rates:
            raise ValueError("[Steps] rates was empty; it must have at least one step")
        rates = {
            _check.integer("Steps", "an epoch of rates", epoch, 1): _check.real(
                "Steps", f"rates[{epoch}]", rate
            )
            for epoch, rate in self.rates.items()
        }
        set_fields(self, rates=dict(sorted(rates.items())))

    def starting_at(self, lr: float) -> Steps:
        return started_at(self, lr)

    def lr(self, epoch: int, history: History) -> float:
        reached = [start for start in self.rates if start <= epoch]
        return self.rates[max(reached)] if reached else first_rate(self)


@final
@immutable
@dataclass(frozen=True)
class Exponential(Schedule):
    """η falls by a constant factor every epoch: η_k = η_1 · decay^(k − 1).

    Parameters
    ----------
    decay
        The factor, in (0, 1].
    initial
        η_1; the optimizer's if None.
    """

    decay: float
    initial: float | None = None

    def __post_init__(self) -> None:
        check_initial(self)
        set_fields(
            self, decay=_check.real("Exponential", "decay", self.decay, high=1.0, open_low=True)
        )

    def starting_at(self, lr: float) -> Exponential:
        return started_at(self, lr)

    def lr(self, epoch: int, history: History) -> float:
        return first_rate(self) * self.decay ** (epoch - 1)


@final
@immutable
@dataclass(frozen=True)
class Cosine(Schedule):
    """η falls along half a cosine: η_k = m + (η_1 − m) (1 + cos(π (k − 1) / epochs)) / 2.

    Parameters
    ----------
    epochs
        After which ``min_lr`` is reached, and kept.
    min_lr
        m, at least 0.
    initial
        η_1; the optimizer's if None.

    References
    ----------
    Loshchilov & Hutter, International Conference on Learning Representations (2017), equation 5,
    without restarts.
    """

    epochs: int
    min_lr: float = 0.0
    initial: float | None = None

    def __post_init__(self) -> None:
        check_initial(self)
        set_fields(
            self,
            epochs=_check.integer("Cosine", "epochs", self.epochs, 1),
            min_lr=_check.real("Cosine", "min_lr", self.min_lr),
        )

    def starting_at(self, lr: float) -> Cosine:
        return started_at(self, lr)

    def lr(self, epoch: int, history: History) -> float:
        if epoch > self.epochs:
            return self.min_lr
        height = (1 + math.cos(math.pi * (epoch - 1) / self.epochs)) / 2
        return self.min_lr + (first_rate(self) - self.min_lr) * height
