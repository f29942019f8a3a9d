"""The schedule that makes another one's first rates smaller."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any, final

from .. import _check
from .._attributes import immutable
from ..history import History
from .base import Schedule, set_fields
from .making import named


@final
@immutable
@dataclass(frozen=True)
class Warmup(Schedule):
    """Another schedule whose rates are smaller at first and grow to their own size in equal steps.

    In the k-th of n updates or epochs, the rate is that of ``then`` times
    start + (1 − start) k / (n + 1); after them it is that of ``then``. Large first steps of feedback
    alignment can saturate units for good; after a warm-up it bears rates, or a gain of B, several times
    as large.

    Parameters
    ----------
    then
        The schedule: None (constant), a `Schedule`, a mapping ``{epoch: η}`` or a callable, as for
        `Trainer`. Its epochs are counted from the first one, warm-up included.
    updates
        n, at least 1: batches since the trainer's beginning. Or:
    epochs
        n, at least 1.
    start
        Where it begins, as a share of the rate, in [0, 1).

    Notes
    -----
    The ``lr`` of an epoch's record is that of its last update. An epoch with a warm-up over updates is
    trained an update at a time, which takes a little longer, and gives what one call would.
    """

    then: Any = None
    updates: int | None = None
    epochs: int | None = None
    start: float = 0.0

    def __post_init__(self) -> None:
        where = "Warmup"
        if (self.updates is None) == (self.epochs is None):
            raise ValueError(
                f"[Warmup] updates was {self.updates!r} and epochs {self.epochs!r}; "
                "one of them must be given"
            )
        for name in ("updates", "epochs"):
            if getattr(self, name) is not None:
                set_fields(self, **{name: _check.integer(where, name, getattr(self, name), 1)})
        set_fields(
            self,
            start=_check.real(where, "start", self.start, high=1.0, open_high=True),
            then=named(self.then, where, "then"),
        )

    @property
    def warm_updates(self) -> int:
        return max(self.updates or 0, self.then.warm_updates)

    def share(self, updates: int) -> float:
        own = 1.0 if self.updates is None else self._part(updates + 1, self.updates)
        return own * self.then.share(updates)

    def starting_at(self, lr: float) -> Warmup:
        return replace(self, then=self.then.starting_at(lr))

    def lr(self, epoch: int, history: History) -> float:
        rate = self.then.lr(epoch, history)
        return rate if self.epochs is None else rate * self._part(epoch, self.epochs)

    def _check_keys(self, keys: Collection[str], complete: bool) -> None:
        self.then._check_keys(keys, complete)

    def _part(self, k: int, n: int) -> float:
        return 1.0 if k > n else self.start + (1 - self.start) * k / (n + 1)
