"""Callbacks that keep weights: the best ones, their mean, and those at which to stop."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, ClassVar, final

import numpy as np

from .. import _check
from ..history import History, Record
from ..schedules import check_measured, check_monitor
from .base import BuiltIn

if TYPE_CHECKING:
    from ..network import Network
    from ..trainer import Trainer


@final
class BestWeights(BuiltIn):
    """Keeps a copy of the weights from the epoch at which ``monitor`` was smallest.

    Parameters
    ----------
    monitor
        A key of the records, such as ``validation_error``; not one of the test set's.
    min_delta
        A value counts as better only if it is more than this below the best one, in its units.
    restore
        Whether the network gets them at the end of the fit. `restore` does it at any time.

    Attributes
    ----------
    value : float
        The smallest value (infinity before the first epoch).
    epoch : int
        Its epoch (0 before the first).
    state : dict of ndarray or None
        The network's ``state_dict()`` at its end.
    """

    _of_one: ClassVar[bool] = True
    monitor: str
    min_delta: float
    restore_at_end: bool
    value: float
    epoch: int
    state: dict[str, np.ndarray] | None

    def __init__(
        self, monitor: str = "validation_error", *, min_delta: float = 0.0, restore: bool = True
    ) -> None:
        check_monitor("BestWeights", monitor)
        _check.real("BestWeights", "min_delta", min_delta)
        self._set(monitor=monitor, min_delta=min_delta, restore_at_end=restore)
        self._keep(math.inf, 0, None)

    def _keep(self, value: float, epoch: int, state: dict[str, np.ndarray] | None) -> None:
        self._set(value=value, epoch=epoch, state=state)

    def _check_fit(self, trainer: Trainer, keys: Collection[str], complete: bool) -> None:
        check_measured("BestWeights", self.monitor, keys, complete)

    def on_fit_begin(self, trainer: Trainer) -> None:
        self._keep(math.inf, 0, None)

    def on_epoch_end(self, trainer: Trainer, record: Record) -> None:
        check_measured("BestWeights", self.monitor, record)
        value = float(record[self.monitor])
        if value < self.value - self.min_delta:
            self._keep(value, record["epoch"], trainer.net.state_dict())

    def on_fit_end(self, trainer: Trainer, history: History) -> None:
        self._end_with(trainer.net)

    def _end_with(self, net: Network) -> None:
        if self.restore_at_end and self.state is not None:
            self.restore(net)

    def state_dict(self) -> dict[str, Any]:
        return {"value": self.value, "epoch": self.epoch, "state": self.state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._keep(float(state["value"]), state["epoch"], state["state"])

    def _arguments(self) -> dict[str, Any]:
        own = {"monitor": self.monitor, "min_delta": self.min_delta}
        return own | {"restore": self.restore_at_end}

    def restore(self, net: Network) -> None:
        """Write the kept weights into ``net``.

        Raises
        ------
        RuntimeError
            If none are kept: before the first epoch, or when no value was ever below infinity.
        """
        if self.state is None:
            raise RuntimeError(
                "[restore] no weights are kept; an epoch must have ended whose "
                f"{self.monitor} is below infinity"
            )
        net.load_state_dict(self.state)


@final
class AveragedWeights(BuiltIn):
    """The network ends with the mean of its weights over the ends of the epochs from ``begin`` on.

    Steps of constant size wander around a minimum, and the mean of where they were lies closer to it
    than the last of them (Polyak & Juditsky 1992; Izmailov et al. 2018, arXiv:1803.05407). So it takes
    the place of a rate that falls, or goes with one.

    Parameters
    ----------
    begin
        The first epoch that counts, at least 1.

    Attributes
    ----------
    epochs : int
        How many epochs the mean is over.
    state : dict of ndarray or None
        The mean of the network's ``state_dict()``, float64.
    """

    _of_one: ClassVar[bool] = True
    begin: int
    epochs: int
    state: dict[str, np.ndarray] | None

    def __init__(self, begin: int) -> None:
        self._set(begin=_check.integer("AveragedWeights", "begin", begin, 1))
        self._set(epochs=0, state=None)

    def on_fit_begin(self, trainer: Trainer) -> None:
        self._set(epochs=0, state=None)

    def on_epoch_end(self, trainer: Trainer, record: Record) -> None:
        if record["epoch"] < self.begin:
            return
        now = {name: a.astype(np.float64) for name, a in trainer.net.state_dict().items()}
        self._set(epochs=self.epochs + 1)
        if self.state is None:
            self._set(state=now)
            return
        for name, mean in self.state.items():
            mean += (now[name] - mean) / self.epochs

    def on_fit_end(self, trainer: Trainer, history: History) -> None:
        self._end_with(trainer.net)

    def _end_with(self, net: Network) -> None:
        if self.state is not None:
            own = net.state_dict()
            net.load_state_dict({name: a.astype(own[name].dtype) for name, a in self.state.items()})

    def state_dict(self) -> dict[str, Any]:
        return {"epochs": self.epochs, "state": self.state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._set(epochs=state["epochs"], state=state["state"])

    def _arguments(self) -> dict[str, Any]:
        return {"begin": self.begin}


@final
class EarlyStopping(BuiltIn):
    """Ends training when ``monitor`` hasn't improved for ``patience`` epochs in a row.

    Each ``fit`` counts anew.

    Parameters
    ----------
    monitor
        A key of the records; not one of the test set's, which would spoil the test error.
    patience
        Epochs without improvement that are borne, at least 1.
    min_delta
        What counts as an improvement: more than this below the best value, in its units.
    restore_best
        Whether the network ends with the weights of the best epoch, not of the last.

    Attributes
    ----------
    best : BestWeights
        The best value, its epoch and, with ``restore_best``, its weights.
    stopped_epoch : int or None
        The epoch after which this callback ended training.
    """

    _of_one: ClassVar[bool] = True
    monitor: str
    patience: int
    best: BestWeights
    stopped_epoch: int | None

    def __init__(
        self,
        monitor: str = "validation_error",
        patience: int = 5,
        min_delta: float = 0.0,
        restore_best: bool = True,
    ) -> None:
        check_monitor("EarlyStopping", monitor)
        _check.real("EarlyStopping", "min_delta", min_delta)
        _check.integer("EarlyStopping", "patience", patience, 1)
        best = BestWeights(monitor, min_delta=min_delta, restore=restore_best)
        self._set(monitor=monitor, patience=patience, best=best, stopped_epoch=None)
        self._waited = 0

    def _check_fit(self, trainer: Trainer, keys: Collection[str], complete: bool) -> None:
        check_measured("EarlyStopping", self.monitor, keys, complete)

    def on_fit_begin(self, trainer: Trainer) -> None:
        self.best.on_fit_begin(trainer)
        self._set(stopped_epoch=None)
        self._waited = 0

    def on_epoch_end(self, trainer: Trainer, record: Record) -> None:
        check_measured("EarlyStopping", self.monitor, record)
        self.best.on_epoch_end(trainer, record)
        self._waited = 0 if self.best.epoch == record["epoch"] else self._waited + 1
        if self._waited >= self.patience:
            self._set(stopped_epoch=record["epoch"])
            trainer.stop()

    def on_fit_end(self, trainer: Trainer, history: History) -> None:
        self._end_with(trainer.net)

    def _end_with(self, net: Network) -> None:
        self.best._end_with(net)

    def state_dict(self) -> dict[str, Any]:
        own = {"waited": self._waited, "stopped_epoch": self.stopped_epoch}
        return own | {"best": self.best.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._waited = state["waited"]
        self._set(stopped_epoch=state["stopped_epoch"])
        self.best.load_state_dict(state["best"])

    def _arguments(self) -> dict[str, Any]:
        best = self.best._arguments()
        own = {"monitor": self.monitor, "patience": self.patience}
        return own | {"min_delta": best["min_delta"], "restore_best": best["restore"]}
