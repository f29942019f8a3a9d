"""How well the errors of a recurrent network line up with backprop through time, while it learns."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, final

import numpy as np

from .. import _check, metrics
from ..layers.recurrent import recurrent_place
from .probing import Probing

if TYPE_CHECKING:
    from ..trainer import Trainer

_MEASURES = ("angle_bptt", "angle_bptt_sd", "angle_bptt_layer")


@final
class AlignmentInTime(Probing):
    """Measures how far a recurrent layer's deltas are from those of backprop through time.

    `Network.deltas_sequences` is asked by the network's own rule and by ``"bptt"``, on the same probe
    sequences, before the first batch, every ``every`` batches and at the end of each epoch.

    Parameters
    ----------
    X
        Probe inputs, (N, T, n_in); a few sequences are enough.
    Y
        Their targets, (N, T, n_out), or (N, n_out) for the last steps.
    every
        Batches between measurements; None: only at the ends of epochs.
    mask, lengths
        As for `Network.train_sequences`.

    Attributes
    ----------
    rows : list of dict
        A row for each measurement, with ``epoch``, ``batch``, ``examples`` and ``layer`` as those of
        `Alignment`, and

        - ``angle_bptt``, ``angle_bptt_sd``: mean and standard deviation over all steps, in degrees,
        - ``angle_bptt_layer``: the angle with all steps' deltas as one long vector,
        - ``angle_bptt_steps``: (T,), the mean at each step.

        Steps at which one of both is zero, such as padding, are left out: NaN where none is left.

    Notes
    -----
    The record of an epoch gets ``angle_bptt.0`` and so on, by the number of the recurrent layer, as with
    `Alignment`.
    """

    X: Any
    Y: Any
    mask: Any
    lengths: Any

    def __init__(
        self,
        X: np.ndarray,
        Y: np.ndarray,
        every: int | None = None,
        *,
        mask: np.ndarray | None = None,
        lengths: np.ndarray | None = None,
    ) -> None:
        where = "AlignmentInTime"
        if every is not None:
            _check.integer(where, "every", every, 1)
        X, Y = (_check.as_array(where, name, each) for name, each in (("X", X), ("Y", Y)))
        if X.ndim != 3 or Y.ndim not in (2, 3) or len(X) != len(Y) or not X.size:
            raise ValueError(
                f"[{where}] X has shape {X.shape} and Y {Y.shape}; they must be (N, T, n_in) and "
                "(N, T, n_out) or (N, n_out), with the same N, at least 1"
            )
        for name, value in (("mask", mask), ("lengths", lengths)):
            if value is not None:
                _check.as_array(where, name, value)
        self._set(X=X, Y=Y, every=every, mask=mask, lengths=lengths)
        self._begin()

    def _adds(self, trainer: Trainer) -> Sequence[str]:
        return [f"{measure}.{recurrent_place(trainer.net.layers)}" for measure in _MEASURES]

    def _check_fit(self, trainer: Trainer, keys: Collection[str], complete: bool) -> None:
        if recurrent_place(trainer.net.layers) is None:
            raise ValueError(
                "[fit] AlignmentInTime is for networks with a recurrent layer; for this one it must be "
                "an Alignment"
            )
        trainer.net._sequences("AlignmentInTime", self.X, self.Y, self.mask, self.lengths)

    def _look(self, trainer: Trainer) -> list[dict[str, Any]]:
        given: dict[str, Any] = {"mask": self.mask, "lengths": self.lengths}
        own = trainer.net.deltas_sequences(self.X, self.Y, **given).astype(np.float64)
        other = trainer.net.deltas_sequences(self.X, self.Y, "bptt", **given).astype(np.float64)
        angles = np.ma.masked_invalid(metrics.angle(own, other))
        whole = metrics.angle(own.ravel(), other.ravel())
        mean, sd = angles.mean(), angles.std()
        return [
            {
                "layer": recurrent_place(trainer.net.layers),
                "angle_bptt": math.nan if mean is np.ma.masked else float(mean),
                "angle_bptt_sd": math.nan if sd is np.ma.masked else float(sd),
                "angle_bptt_layer": float(whole),
                "angle_bptt_steps": angles.mean(axis=0).filled(np.nan),
            }
        ]

    def _arguments(self) -> dict[str, Any]:
        own = {"X": np.asarray(self.X), "Y": np.asarray(self.Y), "every": self.every}
        return own | {"mask": self.mask, "lengths": self.lengths}
