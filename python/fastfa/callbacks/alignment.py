"""The callback that measures alignment while a network learns."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, final

import numpy as np

from .. import _check, metrics
from .._class_names import is_text
from ..layers.recurrent import is_in_time
from ..network import _arguments
from .probing import Probing

if TYPE_CHECKING:
    from ..trainer import Trainer


@final
class Alignment(Probing):
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

    X: Any
    Y: Any
    measures: tuple[str, ...]
    pseudobackprop: bool | None

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
        self._set(X=X, Y=Y, every=every, measures=measures, pseudobackprop=pseudobackprop)
        self._begin()

    def _adds(self, trainer: Trainer) -> Sequence[str]:
        hidden = range(len(trainer.net.layers) - 1)
        return [f"{m}.{layer}" for layer in hidden for m in self.measures if m != "neuron_angles"]

    def _arguments(self) -> dict[str, Any]:
        how = {"measures": self.measures, "pseudobackprop": self.pseudobackprop}
        return {"X": np.asarray(self.X), "Y": np.asarray(self.Y), "every": self.every} | how

    def _check_fit(self, trainer: Trainer, keys: Collection[str], complete: bool) -> None:
        if is_in_time(trainer.net.layers):
            raise ValueError(
                "[fit] Alignment is for networks without a recurrent layer; for this one it must be an "
                "AlignmentInTime"
            )

    def _look(self, trainer: Trainer) -> list[dict[str, Any]]:
        if self.Y.ndim == 1:  # labels, which the network knows now
            self._set(Y=_arguments.targets(trainer.net, "Alignment", "Y", self.Y, len(self.X)))
        layers = metrics.alignment(
            trainer.net,
            self.X,
            self.Y,
            measures=self.measures,
            pseudobackprop=self.pseudobackprop,
        )
        return [{m: getattr(layer, m) for m in self.measures} for layer in layers]
