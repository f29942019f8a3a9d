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
    from ..network import Network
    from ..trainer import Trainer

_OF_MATRICES = ("weight_angle", "descent", "descent_positive")
_MEASURES = ("angle_bptt", "angle_bptt_sd", "angle_bptt_layer", *_OF_MATRICES)


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
        - ``angle_bptt_steps``: (T,), the mean at each step,
        - ``weight_angle``: vec(Wᵀ)∠vec(B) in degrees; B leads into the recurrent layer, and W are the
          readout weights, as in `metrics.LayerAlignment`,
        - ``descent``, ``descent_positive``: eᵀWBe, mean over the steps that count, and the share of them
          for which it is positive. NaN where B is given something else than e = y* − y: the target,
          the δ of another layer, or e ∘ σ′.

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
                **self._of_matrices(trainer.net),
            }
        ]

    def _of_matrices(self, net: Network) -> dict[str, float]:
        """How B into the recurrent layer compares with the weights above."""
        at = recurrent_place(net.layers)
        assert at is not None  # it was looked at before the first batch
        direct = net._rules[at].route != "layerwise"
        last = len(net.layers) if direct else at + 2
        w, *above = (np.asarray(each, np.float64) for each in net.weights[at + 1 : last])
        for each in above:  # from the output, B has the shape of their product
            w = each @ w
        b = np.asarray(net.feedback_matrices[at], np.float64)
        found = dict.fromkeys(_OF_MATRICES, math.nan)
        found["weight_angle"] = float(metrics.angle(w.T.ravel(), b.ravel()))
        linear = (
            net.loss == "cross_entropy" or getattr(net.layers[-1], "activation", "") == "linear"
        )
        if linear and last == len(net.layers) and net._rules[at].route != "target":
            x, y, counts = net._sequences(
                "AlignmentInTime", self.X, self.Y, self.mask, self.lengths
            )
            e = (y - net.forward_sequences(x).reshape(y.shape)).astype(np.float64)
            if counts is not None:
                e = e[counts > 0] * counts[counts > 0, None]
            if len(e):
                each_step = np.einsum("tk,tk->t", e, (e @ b.T) @ w.T)
                found["descent"] = float(each_step.mean())
                found["descent_positive"] = float((each_step > 0).mean())
        return found

    def _arguments(self) -> dict[str, Any]:
        own = {"X": np.asarray(self.X), "Y": np.asarray(self.Y), "every": self.every}
        return own | {"mask": self.mask, "lengths": self.lengths}
