"""Learning-rate schedules: which η an epoch uses.

A schedule is asked once before each epoch; only a warm-up over updates changes the rate within one.
The built-in ones are frozen and read only the history, so training that goes on in a second ``fit``
goes on with the rate it had reached.
"""

from __future__ import annotations

from .base import Schedule, check_measured, check_monitor
from .making import _FromCallable, as_schedule
from .plateau import Plateau
from .restarting import counted_from, restarted
from .simple import Constant, Cosine, Exponential, Steps
from .warmup import Warmup

__all__ = [
    "Constant",
    "Cosine",
    "Exponential",
    "Plateau",
    "Schedule",
    "Steps",
    "Warmup",
    "_FromCallable",
    "as_schedule",
    "check_measured",
    "check_monitor",
    "counted_from",
    "restarted",
]


def __dir__() -> list[str]:
    return sorted(__all__)
