"""A schedule that begins anew, where somebody assigns another rate in the middle of training."""

from __future__ import annotations

from dataclasses import is_dataclass, replace

from .base import Schedule
from .simple import Constant, Steps
from .warmup import Warmup


def restarted(schedule: Schedule, lr: float, epoch: int) -> tuple[Schedule, int]:
    """``schedule`` begun anew after ``epoch`` with rate ``lr``, and how many epochs it doesn't see.

    Steps that come later stay where they are. A schedule of the user's own, and a callable, say every
    epoch's rate themselves. A warm-up over epochs that has ended isn't repeated.
    """
    if isinstance(schedule, Warmup):
        then, after = restarted(schedule.then, lr, epoch)
        if schedule.epochs is not None and epoch >= schedule.epochs:
            return then, after
        return replace(schedule, then=then), after
    if isinstance(schedule, Steps):
        later = {start: rate for start, rate in schedule.rates.items() if start > epoch + 1}
        return (Steps(later, lr) if later else Constant(lr)), 0
    if is_dataclass(schedule) and hasattr(schedule, "initial"):
        return replace(schedule, initial=lr), counted_from(schedule, epoch)
    return schedule.starting_at(lr), 0


def counted_from(schedule: Schedule, epoch: int) -> int:
    """The epochs that a schedule which begins after ``epoch`` doesn't see: those that it would count."""
    if isinstance(schedule, Warmup):
        return counted_from(schedule.then, epoch)
    absolute = isinstance(schedule, Constant | Steps) or not hasattr(schedule, "initial")
    return 0 if absolute else epoch
