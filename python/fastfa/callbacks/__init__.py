"""Callbacks: what may look on, write down or stop while a `Trainer` trains.

Subclass `Callback` and override what you need; every method does nothing by default. The trainer
calls its callbacks in the order they were given, so a callback sees the keys that the ones before
it added to the record (put loggers last). A callback reads ``trainer.net``, ``trainer.history``,
``trainer.optimizer``, ``trainer.epoch`` (epochs finished) and ends training with
``trainer.stop()``. What it does to the network is its own affair: weights that it writes are
trained on.
"""

from __future__ import annotations

from .alignment import Alignment
from .base import BuiltIn, Callback, Writing, begin_fit, check_fit, failure_told
from .in_time import AlignmentInTime
from .loggers import CSVLogger, JSONLLogger
from .weights import AveragedWeights, BestWeights, EarlyStopping

__all__ = [
    "Alignment",
    "AlignmentInTime",
    "AveragedWeights",
    "BestWeights",
    "BuiltIn",
    "CSVLogger",
    "Callback",
    "EarlyStopping",
    "JSONLLogger",
    "Writing",
    "begin_fit",
    "check_fit",
    "failure_told",
]


def __dir__() -> list[str]:
    return sorted(__all__)
