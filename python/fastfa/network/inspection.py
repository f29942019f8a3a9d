"""What a network computes without learning."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, overload

import numpy as np

from ..device_array import DeviceArray
from ..rules import FeedbackLike, resolve, specs
from . import _arguments, _device_arrays
from .parameters import Parameters


class Evaluation(NamedTuple):
    """Mean loss per example, and the fraction whose largest output is not their largest target.

    With weights w, both are Σ wᵢ (…)ᵢ / Σ wᵢ. With one output there is no largest: ``error_rate`` is
    NaN.
    """

    loss: float
    error_rate: float


class Inspection(Parameters):
    """The methods of :class:`Network` that only look."""

    @overload
    def forward(self, X: np.ndarray | Sequence[Any]) -> np.ndarray: ...
    @overload
    def forward(self, X: Any) -> np.ndarray | DeviceArray: ...
    def forward(self, X: Any) -> np.ndarray | DeviceArray:
        """Outputs, (N, n_out), for inputs X, (N, n_in) or (N, *input_shape).

        For X in the memory of the network's GPU they are there too, a `DeviceArray`.

        Raises
        ------
        ValueError, TypeError
            If X has the wrong shape or kind, or a value that is not finite. The same holds for X and
            Y of every other method.
        """
        x = self._x("forward", X)
        out = self._net.forward(x)
        if isinstance(x, np.ndarray):
            return out
        return DeviceArray(out, _device_arrays.ordinal(self.device))

    def activations(self, X: Any) -> list[np.ndarray]:
        """h of every layer, (N, n_l); the last is the output."""
        return self._net.activations(self._x("activations", X))

    def predict(self, X: Any) -> np.ndarray:
        """The unit with the largest output, int64 (N,); a tie goes to the lowest."""
        if self.output_size == 1:
            raise ValueError(
                "[predict] the network has 1 output; it must have 2 or more: use forward"
            )
        return self._net.forward(self._x("predict", X)).argmax(axis=1)

    def deltas(
        self,
        X: Any,
        Y: Any,
        feedback: FeedbackLike | None = None,
        *,
        sample_weight: Any = None,
    ) -> list[np.ndarray]:
        """δ of every layer, (N, n_l), per example and downhill: not divided by N, not times η.

        Parameters
        ----------
        X, Y : array_like
            Inputs (N, n_in) and targets (N, n_out).
        feedback : optional
            Another feedback for this call only; ``"bp"`` asks what backprop would send on the same
            weights. :class:`NodePerturbation` gives one sample of its noise for each example.
        sample_weight : array_like, optional
            (N,), as for :meth:`Network.step`: every δ of example i is multiplied by its weight.
        """
        x, y = self._xy("deltas", X, Y)
        weights = _arguments.sample_weight(self, "deltas", sample_weight, len(x))
        if feedback is None:
            return self._net.deltas(x, y, sample_weight=weights)
        rules = resolve(feedback, len(self.layers) - 1, "deltas")
        return self._net.deltas(x, y, *specs(rules), weights)

    def evaluate(self, X: Any, Y: Any, *, sample_weight: Any = None) -> Evaluation:
        """Mean loss and error rate on inputs X (N, n_in) and targets Y (N, n_out).

        With ``sample_weight`` (N,), as for :meth:`Network.step`, both are weighted means,
        Σ wᵢ Lᵢ / Σ wᵢ: an example of weight 2 counts as two. Weights that are all 0 are refused
        (ValueError).
        """
        x, y = self._xy("evaluate", X, Y)
        weights = _arguments.sample_weight(self, "evaluate", sample_weight, len(x))
        _arguments.check_some_weight("evaluate", "sample_weight", weights)
        loss, missed, total = self._net.evaluate(x, y, weights)
        return Evaluation(loss, missed / total if self.output_size > 1 else math.nan)

    def _x(self, where: str, X: Any) -> Any:
        return _arguments.inputs(self, where, "X", X, there=True)

    def _xy(self, where: str, X: Any, Y: Any) -> tuple[Any, Any]:
        x = self._x(where, X)
        return x, _arguments.targets(self, where, "Y", Y, len(x), there=True)
