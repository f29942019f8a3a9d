"""What callbacks that measure a network on a probe have in common."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..history import Record, check_records
from .base import BuiltIn

if TYPE_CHECKING:
    from ..trainer import Trainer

_PLACE = ("epoch", "batch", "examples", "layer")  # where and when a row was measured


class Probing(BuiltIn):
    """Measures before the first batch, every ``every`` batches and at the end of each epoch."""

    _of_one: ClassVar[bool] = True
    every: int | None
    rows: list[dict[str, Any]]

    def _begin(self) -> None:
        self._set(rows=[])
        self._measured_at = -1
        self._epoch = 0
        self._first = 0  # number of the first row of this epoch

    @abstractmethod
    def _look(self, trainer: Trainer) -> list[dict[str, Any]]:
        """The measures of each hidden layer, by name."""

    def on_fit_begin(self, trainer: Trainer) -> None:
        self._epoch = trainer.epoch
        if trainer.batch == 0:  # this trainer is new, so its first state is measured, too
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
                # A file has None in the place of NaN.
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

    def _measure(self, trainer: Trainer) -> None:
        """Add rows for the network as it is, unless this very batch has some."""
        if trainer.batch == self._measured_at:
            return
        self._measured_at = trainer.batch
        for layer, measures in enumerate(self._look(trainer)):
            now = (self._epoch, trainer.batch, trainer.examples, layer)
            self.rows.append(dict(zip(_PLACE, now, strict=True)) | measures)
