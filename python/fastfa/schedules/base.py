"""What a schedule is, and what schedules share: their first rate, and the measure they watch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import replace
from typing import Any

from .. import _check
from ..history import History


class Schedule(ABC):
    """What `Trainer` needs of a schedule. Subclass it, or give a callable ``epoch -> η``."""

    @property
    def warm_updates(self) -> int:
        """From this update of the trainer's on, the rate is the same within an epoch; 0: always."""
        return 0

    def share(self, updates: int) -> float:
        """What η is multiplied by for the update that comes after so many; 1 from `warm_updates` on."""
        return 1.0

    @abstractmethod
    def lr(self, epoch: int, history: History) -> float:
        """The learning rate η of an epoch.

        Parameters
        ----------
        epoch
            The epoch that is about to begin, from 1.
        history
            The records of the epochs before it.
        """

    def starting_at(self, lr: float) -> Schedule:
        """This schedule with ``lr`` (the optimizer's) where it has no first rate of its own."""
        return self

    def _check_keys(self, keys: Collection[str], complete: bool) -> None:  # noqa: B027
        """Refuse to look for a key that no record will have. Unless ``complete``, there may be more."""


def check_monitor(where: str, monitor: Any) -> None:
    """Refuse a measure of the test set: a decision that uses it spoils what it reports."""
    if not isinstance(monitor, str) or monitor.startswith("test_"):
        raise ValueError(
            f"[{where}] monitor was {monitor!r}; it must be a measure of the training or "
            "validation set (the test set is only reported, never used for a decision)"
        )


def check_measured(kind: str, monitor: str, keys: Collection[str], complete: bool = True) -> None:
    """Refuse a measure that is no key of a record; unless ``complete``, ``keys`` may lack some."""
    if monitor in keys:
        return
    if monitor.startswith("validation_") and f"train_{monitor.partition('_')[2]}" in keys:
        raise ValueError(
            f"[{kind}] monitor was {monitor!r}, but fit() was given no validation set; "
            "give one, or watch a measure of the training set"
        )
    if not complete:
        return
    import difflib  # only for the message

    close = difflib.get_close_matches(monitor, keys, n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    raise ValueError(
        f"[{kind}] monitor was {monitor!r}; it must be a key of the record: {', '.join(keys)}{hint}"
    )


def check_initial(schedule: Any) -> None:
    if schedule.initial is not None:
        set_fields(
            schedule, initial=_check.real(type(schedule).__name__, "initial", schedule.initial)
        )


def set_fields(schedule: Schedule, **fields: Any) -> None:
    """Python's own numbers in place of NumPy's, so that a schedule from a file computes the same."""
    for name, value in fields.items():
        object.__setattr__(schedule, name, value)


def started_at(schedule: Any, lr: float) -> Any:
    return schedule if schedule.initial is not None else replace(schedule, initial=lr)


def first_rate(schedule: Any) -> float:
    if schedule.initial is None:
        raise ValueError(
            f"[{type(schedule).__name__}] initial was None; outside a Trainer, which puts the "
            "optimizer's rate there, it must be given"
        )
    return schedule.initial
