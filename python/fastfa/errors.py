"""Exceptions of fastfa beyond ``ValueError`` and ``TypeError``."""

from __future__ import annotations

import os
from typing import Any


class CheckpointError(ValueError):
    """A file isn't a checkpoint that can be loaded, or a thing can't be put into one.

    Attributes
    ----------
    path : str
        The file.
    """

    def __init__(self, path: str | os.PathLike[str], what: str) -> None:
        super().__init__(f"[checkpoint] {os.fspath(path)} {what}")
        self.path, self._what = os.fspath(path), what

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path, self._what)  # how it comes out of a worker process


class DeviceError(RuntimeError):
    """A device isn't to be had: the message says what this build or machine lacks."""


class DivergenceError(ArithmeticError):
    """Training left the range in which its next update is certain to be finite.

    Raised before that update is made, so the network keeps the finite weights of the step before.

    Attributes
    ----------
    layer : int
        The weighted layer (0 is the first), or -1 for the input.
    step : int
        Updates the network had made until then.
    time : int or None
        Of sequences: the step, from 0, at which it was. None where it is not known, and for networks
        without a recurrent layer.
    stopped : dict
        Of an ensemble: the error of each network that stopped, by its index. Else empty.
    """

    def __init__(self, message: str, layer: int, step: int, time: int | None = None) -> None:
        super().__init__(message)
        self.layer = layer
        self.step = step
        self.time = None if time is None or time < 0 else time
        self.stopped: dict[int, DivergenceError] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.layer, self.step, self.time), {"stopped": self.stopped}
