"""The schedule that watches a measure."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import final

from .. import _check
from .._attributes import immutable
from ..history import History
from .base import (
    Schedule,
    check_initial,
    check_measured,
    check_monitor,
    first_rate,
    set_fields,
    started_at,
)


@final
@immutable
@dataclass(frozen=True)
class Plateau(Schedule):
    """The paper's schedule: η is divided by ten once progress has slowed.

    An epoch makes progress when ``monitor`` falls below its best value so far by more than the fraction
    ``min_delta`` of that value's magnitude. After ``patience`` epochs in a row without progress η is
    multiplied by ``factor``, and the count starts anew.

    Parameters
    ----------
    factor
        In (0, 1); the paper's is 0.1 (10⁻² → 10⁻³ → 10⁻⁴).
    patience
        Epochs without progress that are borne, at least 1.
    min_delta
        What counts as progress, as a fraction of the magnitude of the best value, in [0, 1).
    monitor
        The measure that is watched, a key of the records. ``validation_loss``, the default, stands for
        ``train_loss`` in a ``fit`` without a validation set; progress is then judged anew. Any other
        must be there, which is checked when ``fit`` begins. It can't be one of the test set's, which
        is only ever reported.
    min_lr
        η isn't lowered below it.
    initial
        The first η; the optimizer's if None.

    Notes
    -----
    Lillicrap et al. 2016, Supplementary Note 5: "η was reduced by an order of magnitude once
    progress had slowed substantially". The paper doesn't say how progress was judged; patience
    and ``min_delta`` are ours.
    """

    factor: float = 0.1
    patience: int = 3
    min_delta: float = 0.01
    monitor: str = "validation_loss"
    min_lr: float = 0.0
    initial: float | None = None

    def __post_init__(self) -> None:
        where = "Plateau"
        check_initial(self)
        check_monitor(where, self.monitor)
        set_fields(
            self,
            factor=_check.real(
                where, "factor", self.factor, high=1.0, open_low=True, open_high=True
            ),
            patience=_check.integer(where, "patience", self.patience, 1),
            min_delta=_check.real(where, "min_delta", self.min_delta, high=1.0, open_high=True),
            min_lr=_check.real(where, "min_lr", self.min_lr),
        )

    def starting_at(self, lr: float) -> Plateau:
        return started_at(self, lr)

    def lr(self, epoch: int, history: History) -> float:
        rate, best, waited, watched = first_rate(self), math.inf, 0, self.monitor
        for record in history.records:
            key = self._watched(record)
            if key not in record:  # of a fit that didn't measure it
                continue
            if key != watched:  # another measure, which can't be compared
                best, waited, watched = math.inf, 0, key
            if record[key] < best * (1 - math.copysign(self.min_delta, best)):
                best, waited = record[key], 0
                continue
            waited += 1
            if waited == self.patience:
                rate, waited = min(rate, max(rate * self.factor, self.min_lr)), 0
        return rate

    def _watched(self, keys: Collection[str]) -> str:
        instead = self.monitor == "validation_loss" and self.monitor not in keys
        return "train_loss" if instead else self.monitor

    def _check_keys(self, keys: Collection[str], complete: bool) -> None:
        check_measured("Plateau", self._watched(keys), keys, complete)
