"""The callback that measures alignment while a network learns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, final

import numpy as np

from .. import _check, metrics
from .._class_names import is_text
from ..history import Record, check_records
from ..network import _arguments
from .base import BuiltIn

if TYPE_CHECKING:
    from ..trainer import Trainer


_PLACE = ("epoch", "batch", "examples", "layer")  # where and when a row of Alignment was measured


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
        Their targets, (N, n_out), or labels, (N,).
    every
        Batches between measurements; None: only at the ends of epochs.
    measures, pseudobackprop
        What to measure, as for `fastfa.metrics.alignment`. Default: all. On a probe of 100 digits,
        everything costs two to three forward passes of the probe, ``angle_bp`` little more than one.

    Attributes
    ----------
    rows : list of dict
        A row for each measurement and hidden layer: ``epoch`` (1-based, in which it was taken; 0:
        before training), ``batch`` and ``examples`` (batches and examples trained since the trainer
        was made), ``layer`` (from 0), then what `fastfa.metrics.alignment` gives, such as
        ``angle_bp`` (degrees).

    Notes
    -----
    The record of an epoch gets ``angle_bp.0`` and so on, for every measure that is one number: a
    layer's mean over the measurements taken in that epoch that are numbers. Where a measure was NaN
    in some of them, ``angle_bp.0.defined`` says of how many the mean is. The falling angle is
    Figure 2b of Lillicrap et al. (arXiv 1411.0247).
    """

    _of_one: ClassVar[bool] = True
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
        X = _check.as_array("Alignment", "X", X)
        Y = _check.as_array("Alignment", "Y", Y)
        of_x, of_y = X.shape, Y.shape
        labels = Y.ndim == 1 and (Y.dtype.kind in "iub" or is_text(Y))
        if not (len(of_y) == 2 or labels) or not of_x or of_x[0] != of_y[0] or not of_x[0]:
            raise ValueError(
                f"[Alignment] X has shape {of_x} and Y {of_y}; they must be "
                "(N, n_in) and (N, n_out) with the same N, at least 1"
            )
        for name, value in (("X", X), ("Y", Y)):
            _check.unmasked("Alignment", name, value)
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
        self._measured_at = trainer.batch
        if self.Y.ndim == 1:  # labels, which the network knows now
            self._set(Y=_arguments.targets(trainer.net, "Alignment", "Y", self.Y, len(self.X)))
        layers = metrics.alignment(
            trainer.net,
            self.X,
            self.Y,
            measures=self.measures,
            pseudobackprop=self.pseudobackprop,
        )
        for layer, measured in enumerate(layers):
            now = (self._epoch, trainer.batch, trainer.examples, layer)
            place = dict(zip(_PLACE, now, strict=True))
            self.rows.append(place | {m: getattr(measured, m) for m in self.measures})
