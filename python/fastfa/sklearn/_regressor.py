"""Regression."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils import Tags

from .. import _check
from ..layers import ActivationName
from ..network.parameters import LossName
from ._base import NOTES, PARAMETERS, FeedbackAlignment


class FeedbackAlignmentRegressor(RegressorMixin, FeedbackAlignment):
    __doc__ = f"""A regressor whose hidden layers learn from an error sent through feedback matrices.

    Linear outputs, loss ½ Σ e² per example; y may have several columns. Targets are taken as they are:
    for the default learning rates they should be of the size of 1
    (``sklearn.compose.TransformedTargetRegressor`` scales them).

    Parameters
    ----------{PARAMETERS}
    Attributes
    ----------
    network_ : fastfa.Network
    history_ : fastfa.History
        A record for each epoch, over all calls that trained ``network_``.
    n_iter_ : int
        Epochs, over the same calls.
    loss_ : float
        The last epoch's mean training loss; ``loss_curve_`` has those of all.
    n_features_in_, feature_names_in_
        As elsewhere in scikit-learn.

    Raises
    ------
    ValueError, TypeError
        From ``fit``, if a parameter is wrong, which is named.
    fastfa.DivergenceError
        From ``fit``, if a value stops being finite: a smaller learning rate, or scaled X and y, may
        help.

    Notes
    -----{NOTES}
    References
    ----------
    Lillicrap, Cownden, Tweed & Akerman, Nature Communications 7:13276 (2016).
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> FeedbackAlignmentRegressor:
        """Train on X (N, n_features) and y (N,) or (N, n_outputs); sample_weight (N,) at least 0."""
        fresh = not (self.warm_start and self.__sklearn_is_fitted__())
        self._fit(X, y, sample_weight, fresh)
        return self

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> FeedbackAlignmentRegressor:
        """One epoch on X (N, n_features) and y (N,) or (N, n_outputs)."""
        self._fit(X, y, sample_weight, not self.__sklearn_is_fitted__(), epochs=1)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The outputs for X (N, n_features): (N,), or (N, n_outputs) if y had columns."""
        outputs = self._outputs(X)
        return outputs[:, 0] if self._flat else outputs

    def _fit(self, X: Any, y: Any, sample_weight: Any, fresh: bool, **options: Any) -> None:
        X, y = self._validated(X, y, reset=fresh, multi_output=True, y_numeric=True)
        Y = _check.numeric("fit", "y", y.reshape(len(y), -1), X.dtype)
        if not fresh and Y.shape[1] != self.network_.output_size:
            raise ValueError(
                f"[fit] y has {Y.shape[1]} columns; it must have {self.network_.output_size}, as the "
                "time before"
            )
        self._learn(X, Y, self._weights(sample_weight, X), fresh=fresh, **options)
        self._flat = y.ndim == 1

    def _output(self) -> tuple[ActivationName, LossName]:
        return "linear", "squared_error"

    def __sklearn_tags__(self) -> Tags:
        """What scikit-learn wants to know: several outputs are welcome."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
