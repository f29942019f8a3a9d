"""A schedule from what a user may give for one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

from .._attributes import immutable
from ..history import History
from .base import Schedule
from .simple import Constant, Steps


@final
@immutable
@dataclass(frozen=True)
class _FromCallable(Schedule):
    """A plain function ``epoch -> η`` as a schedule."""

    function: Callable[[int], float]

    def lr(self, epoch: int, history: History) -> float:
        return self.function(epoch)


def as_schedule(schedule: Any, lr: float) -> Schedule:
    """What a user may give as a schedule, as a `Schedule` that starts at the optimizer's ``lr``.

    Parameters
    ----------
    schedule
        None (constant), a `Schedule`, a mapping ``{epoch: η}`` or a callable ``epoch -> η``.
    """
    return named(schedule, "Trainer", "schedule").starting_at(lr)


def named(schedule: Any, where: str, name: str) -> Schedule:
    """What a user may give as a schedule, as a `Schedule`."""
    if schedule is None:
        return Constant()
    if isinstance(schedule, Mapping):
        return Steps(schedule)
    if isinstance(schedule, Schedule):
        return schedule
    if not callable(schedule) or isinstance(schedule, type):
        raise TypeError(
            f"[{where}] {name} was {schedule!r}; it must be None, a Schedule, "
            "a mapping {epoch: lr} or a callable epoch -> lr"
        )
    return _FromCallable(schedule)
