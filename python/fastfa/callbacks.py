"""Callbacks: what may look on, write down or stop while a `Trainer` trains.

Subclass `Callback` and override what you need; every method does nothing by default. The trainer
calls its callbacks in the order they were given, so a callback sees the keys that the ones before
it added to the record (put loggers last). A callback reads ``trainer.net``, ``trainer.history``,
``trainer.optimizer``, ``trainer.epoch`` (epochs finished) and ends training with
``trainer.stop()``. What it does to the network is its own affair: weights that it writes are
trained on.
"""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, final

import numpy as np

from . import _check
from ._attributes import Guarded, is_ours
from .data.atomic import atomic_write
from .history import History, Record, check_records, column_names, csv_table, json_line
from .schedules import check_measured, check_monitor

if TYPE_CHECKING:
    from .network import Network
    from .trainer import Trainer


_PLACE = ("epoch", "batch", "layer")  # where and when a row of Alignment was measured


class Callback:
    """The protocol. ``every`` is how often, in batches, `on_batches` is called; None: never."""

    every: int | None = None

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Once, when everything has been checked and nothing has been changed yet."""

    def on_epoch_begin(self, trainer: Trainer, epoch: int) -> None:
        """Before the epoch numbered ``epoch`` (from 1); ``trainer.optimizer`` has its rate."""

    def on_batches(self, trainer: Trainer, batch: int) -> None:
        """Whenever ``batch``, the batches trained since the trainer was made, is a multiple of
        ``every``. The compiled loop pauses there, so a small ``every`` costs speed."""

    def on_epoch_end(self, trainer: Trainer, record: Record) -> None:
        """After an epoch and its evaluations, before ``record`` enters the history. May add keys
        (to plain numbers and strings), and should add the same ones every epoch."""

    def on_epoch_done(self, trainer: Trainer) -> None:
        """When the record is in the history and ``trainer.epoch`` counts the epoch."""

    def on_fit_end(self, trainer: Trainer, history: History) -> None:
        """Once, after the last epoch or a stop. Not called when an exception ends training."""

    def on_fit_failed(self, trainer: Trainer, error: BaseException) -> None:
        """Once, instead of `on_fit_end`, when an exception ends training (Ctrl-C is one), before the
        caller of ``fit`` gets it. Also when another callback's `on_fit_begin` raised it."""

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps of this callback, so that a resumed run goes on with it: numbers,
        strings, arrays, and lists and dicts of them."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up a ``state_dict()`` again. A resumed fit calls it before and after `on_fit_begin`."""

    def _arguments(self) -> dict[str, Any] | None:
        """What makes this callback again; None if only its author can."""
        return None

    def _adds(self, trainer: Trainer) -> Sequence[str] | None:
        """The keys that `on_epoch_end` adds to a record; None: not known before it has."""
        inherited = getattr(self.on_epoch_end, "__func__", None) is Callback.on_epoch_end
        return () if inherited or is_ours(type(self)) else None

    def _check_fit(self, trainer: Trainer, keys: Collection[str], complete: bool) -> None:
        """Refuse what can't go well, before anything is changed; ``keys`` are the record's so far, to
        which there may be more unless ``complete``."""


class BuiltIn(Guarded, Callback):
    """A callback of fastfa's: what it was made with stays."""

    _INSTEAD: ClassVar[dict[str, str]] = {
        "": "it is what the callback was made with, or what it has seen; make another one, and give it "
        "to the trainer: trainer.callbacks = [...]"
    }


class Writing(BuiltIn):
    """A callback of fastfa's that writes files."""

    _within: str | None = None  # the only folder where it may, of one that a file described

    def _check_path(self, path: str | os.PathLike[str]) -> None:
        """Refuse a place that the caller has neither named nor consented to."""
        if self._within is None or _lies_in(path, self._within):
            return
        raise ValueError(
            f"[fit] {type(self).__name__} comes from a checkpoint in {self._within} and writes "
            f"{os.fspath(path)!r}; it must write in that folder, unless you say that it may elsewhere: "
            "write_outside=True of Trainer.resume or fastfa.load, or trainer.callbacks = [...]"
        )


def _lies_in(path: str | os.PathLike[str], folder: str) -> bool:
    inside = os.path.realpath(folder)
    return os.path.commonpath([inside, os.path.realpath(path)]) == inside


def check_fit(trainer: Trainer, measured: Collection[str]) -> None:
    """Refuse, before anything is changed, callbacks and a schedule that can't do what they say.

    ``measured`` are the sets that are evaluated after each epoch.
    """
    own = ["loss", "error"] if trainer.net.output_size > 1 else ["loss"]
    keys = ["epoch", "lr", *(f"{name}_{what}" for name in ("train", *measured) for what in own)]
    keys += ["seconds", "samples_per_second"]
    complete = True
    for callback in trainer.callbacks:
        callback._check_fit(trainer, keys, complete)
        added = callback._adds(trainer)
        keys, complete = [*keys, *(added or ())], complete and added is not None
    trainer.schedule._check_keys(keys, complete)


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
        if self.restore_at_end and self.state is not None:
            self.restore(trainer.net)

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
        if self.state is not None:
            own = trainer.net.state_dict()
            mean = {name: a.astype(own[name].dtype) for name, a in self.state.items()}
            trainer.net.load_state_dict(mean)

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
        self.best.on_fit_end(trainer, history)

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


class _Logger(Writing):
    """Writes records to a file that is made anew when the first epoch begins.

    Not in `on_fit_begin`, where another callback may yet refuse the fit.
    """

    path: Path

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._set(path=Path(_check.path(type(self).__name__, "path", path)))
        self._records: list[Record] = []
        self._begun = False

    def _check_fit(self, trainer: Trainer, keys: Collection[str], complete: bool) -> None:
        self._check_path(self.path)

    def on_fit_begin(self, trainer: Trainer) -> None:
        self._begun = False

    def on_epoch_begin(self, trainer: Trainer, epoch: int) -> None:
        self._begin()

    def on_fit_end(self, trainer: Trainer, history: History) -> None:
        self._begin()  # of a fit that had no epoch left

    def _begin(self) -> None:
        if not self._begun:
            self._write()
        self._begun = True

    def _write(self) -> None:
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        return {"records": self._records}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._records = check_records(state["records"])

    def _arguments(self) -> dict[str, Any]:
        return {"path": os.fspath(self.path)}


@final
class CSVLogger(_Logger):
    """Writes each epoch's record as a line of a CSV table, as soon as there is one.

    The file is made anew at the first ``fit`` and grows in later ones; a resumed run brings it to
    where its checkpoint was. If a record brings a key that the header lacks, the whole table is
    written again.

    Parameters
    ----------
    path
        The file; its folder must exist.
    """

    def on_epoch_end(self, trainer: Trainer, record: Record) -> None:
        self._records.append(dict(record))
        if set(record) <= set(self._header):
            with open(self.path, "a", encoding="utf-8", newline="") as file:
                csv.DictWriter(file, self._header, lineterminator="\n").writerow(record)
        else:
            self._write()

    def _write(self) -> None:
        self._header = column_names(self._records)
        with atomic_write(self.path) as file:
            file.write(csv_table(self._records).encode() if self._records else b"")


@final
class JSONLLogger(_Logger):
    """Writes each epoch's record as a line of JSON, as soon as there is one.

    The file is made anew at the first ``fit`` and grows in later ones; a resumed run brings it to
    where its checkpoint was. `History.from_jsonl` reads it.

    Parameters
    ----------
    path
        The file; its folder must exist.
    """

    def on_epoch_end(self, trainer: Trainer, record: Record) -> None:
        self._records.append(dict(record))
        with open(self.path, "a", encoding="utf-8", newline="") as file:
            file.write(json_line(record))

    def _write(self) -> None:
        with atomic_write(self.path) as file:
            file.writelines(json_line(record).encode() for record in self._records)


@final
class Alignment(BuiltIn):
    """Measures how far the network's hidden updates are from backprop's, while it learns.

    `fastfa.metrics.alignment` is asked on the same probe examples before the first batch, every
    ``every`` batches and at the end of each epoch.

    Parameters
    ----------
    X
        Probe inputs, (N, n_in); a few hundred examples are enough.
    Y
        Their targets, (N, n_out).
    every
        Batches between measurements; None: only at the ends of epochs.
    measures, pseudobackprop
        What to measure, as for `fastfa.metrics.alignment`. Default: all. On a probe of 100 digits,
        everything costs two to three forward passes of the probe, ``angle_bp`` little more than one.

    Attributes
    ----------
    rows : list of dict
        A row for each measurement and hidden layer: ``epoch`` (1-based, in which it was taken; 0:
        before training), ``batch`` (batches trained since the trainer was made), ``layer`` (from
        0), then what `fastfa.metrics.alignment` gives, such as ``angle_bp`` (degrees).

    Notes
    -----
    The record of an epoch gets ``angle_bp.0`` and so on, for every measure that is one number: a
    layer's mean over the measurements taken in that epoch that are numbers. Where a measure was NaN
    in some of them, ``angle_bp.0.defined`` says of how many the mean is. The falling angle is
    Figure 2b of Lillicrap et al. (arXiv 1411.0247).
    """

    X: Any
    Y: Any
    every: int | None
    measures: tuple[str, ...]
    pseudobackprop: bool | None
    rows: list[dict[str, Any]]

    def __init__(
        self,
        X: np.ndarray,
        Y: np.ndarray,
        every: int | None = None,
        *,
        measures: Sequence[str] | None = None,
        pseudobackprop: bool | None = None,
    ) -> None:
        if every is not None:
            _check.integer("Alignment", "every", every, 1)
        of_x, of_y = np.shape(X), np.shape(Y)
        if len(of_y) != 2 or not of_x or of_x[0] != of_y[0] or not of_x[0]:
            raise ValueError(
                f"[Alignment] X has shape {of_x} and Y {of_y}; they must be "
                "(N, n_in) and (N, n_out) with the same N, at least 1"
            )
        for name, value in (("X", X), ("Y", Y)):
            _check.unmasked("Alignment", name, value)
        from . import metrics

        measures = metrics.check_measures("Alignment", measures, pseudobackprop)
        self._set(X=X, Y=Y, every=every, measures=measures, pseudobackprop=pseudobackprop, rows=[])
        self._measured_at = -1
        self._epoch = self._first = 0  # the first row of this epoch

    def _adds(self, trainer: Trainer) -> Sequence[str]:
        hidden = range(len(trainer.net.layers) - 1)
        return [f"{m}.{layer}" for layer in hidden for m in self.measures if m != "neuron_angles"]

    def on_fit_begin(self, trainer: Trainer) -> None:
        self._epoch = trainer.epoch
        if trainer.batch == 0:  # a trainer that this callback hasn't seen
            self._measured_at = -1
        self._measure(trainer)

    def on_epoch_begin(self, trainer: Trainer, epoch: int) -> None:
        self._epoch, self._first = epoch, len(self.rows)

    def on_batches(self, trainer: Trainer, batch: int) -> None:
        self._measure(trainer)

    def on_epoch_end(self, trainer: Trainer, record: Record) -> None:
        self._measure(trainer)
        layers: dict[int, list[dict[str, Any]]] = {}
        for row in self.rows[self._first :]:
            layers.setdefault(row["layer"], []).append(row)
        for layer, rows in layers.items():
            for key in rows[0]:
                if key in _PLACE or any(np.ndim(row[key]) for row in rows):
                    continue
                # None is a NaN that was in a file
                values = [math.nan if row[key] is None else float(row[key]) for row in rows]
                defined = [value for value in values if not math.isnan(value)]
                record[f"{key}.{layer}"] = float(np.mean(defined)) if defined else math.nan
                if 0 < len(defined) < len(values):
                    record[f"{key}.{layer}.defined"] = len(defined)

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows, "measured_at": self._measured_at, "epoch": self._epoch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._set(rows=check_records(state["rows"]))
        self._measured_at, self._epoch = state["measured_at"], state["epoch"]

    def _arguments(self) -> dict[str, Any]:
        how = {"measures": self.measures, "pseudobackprop": self.pseudobackprop}
        return {"X": np.asarray(self.X), "Y": np.asarray(self.Y), "every": self.every} | how

    def _measure(self, trainer: Trainer) -> None:
        """Add rows for the network as it is, unless this very batch has some."""
        if trainer.batch == self._measured_at:
            return
        from . import metrics

        self._measured_at = trainer.batch
        layers = metrics.alignment(
            trainer.net,
            self.X,
            self.Y,
            measures=self.measures,
            pseudobackprop=self.pseudobackprop,
        )
        for layer, measured in enumerate(layers):
            place = dict(zip(_PLACE, (self._epoch, trainer.batch, layer), strict=True))
            self.rows.append(place | {m: getattr(measured, m) for m in self.measures})
