"""Classification."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from ..layers import ActivationName
from ..network.parameters import LossName
from ..optim import Optimizer
from ..rules import PRESETS
from ._base import BUILT_FROM, NOTES, PARAMETERS, FeedbackAlignment


class FeedbackAlignmentClassifier(ClassifierMixin, FeedbackAlignment):
    __doc__ = f"""A classifier whose hidden layers learn from an error sent through feedback matrices.

    Parameters
    ----------{PARAMETERS}    loss : {{"cross_entropy", "squared_error"}}
    output_activation : {{"softmax", "logistic"}}
        ``logistic`` with ``cross_entropy`` is the paper's rule for MNIST; ``squared_error`` goes with
        ``logistic`` only.
    class_weight : dict, "balanced" or None
        As elsewhere in scikit-learn; multiplies sample weights. ``partial_fit`` refuses "balanced": one
        batch doesn't know how many there are of each class.

    Attributes
    ----------
    classes_ : ndarray (n_classes,)
        Labels, in the order of the network's outputs.
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
        From ``fit``, if a value stops being finite: a smaller learning rate, or scaled X, may help.

    Notes
    -----{NOTES}
    References
    ----------
    Lillicrap, Cownden, Tweed & Akerman, Nature Communications 7:13276 (2016).
    """

    _built_from = (*BUILT_FROM, "loss", "output_activation")

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: ActivationName | None = None,
        *,
        feedback: Any = "fa",
        gain: float | None = None,
        weight_scale: float | None = None,
        loss: LossName = "cross_entropy",
        output_activation: ActivationName = "softmax",
        class_weight: Any = None,
        optimizer: str | Optimizer = "adam",
        learning_rate: float | None = None,
        momentum: float = 0.0,
        weight_decay: float | None = None,
        schedule: Any = None,
        batch_size: int = 32,
        max_epochs: int = 200,
        shuffle: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int | None = 10,
        tol: float = 1e-4,
        image_shape: Any = None,
        dtype: str | None = None,
        matmul_precision: Any = "float32",
        random_state: Any = None,
        warm_start: bool = False,
        verbose: bool = False,
    ) -> None:
        super().__init__(
            hidden_layer_sizes,
            activation,
            feedback=feedback,
            gain=gain,
            weight_scale=weight_scale,
            optimizer=optimizer,
            learning_rate=learning_rate,
            momentum=momentum,
            weight_decay=weight_decay,
            schedule=schedule,
            batch_size=batch_size,
            max_epochs=max_epochs,
            shuffle=shuffle,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            tol=tol,
            image_shape=image_shape,
            dtype=dtype,
            matmul_precision=matmul_precision,
            random_state=random_state,
            warm_start=warm_start,
            verbose=verbose,
        )
        self.loss = loss
        self.output_activation = output_activation
        self.class_weight = class_weight

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> FeedbackAlignmentClassifier:
        """Train on X (N, n_features) and labels y (N,); sample_weight (N,) is at least 0."""
        fresh = not (self.warm_start and self.__sklearn_is_fitted__())
        X, y = self._validated(X, y, reset=fresh)
        y = self._labels(y)
        classes = np.unique(y)
        if not fresh and not np.array_equal(classes, self.classes_):
            raise ValueError(
                f"[fit] y has classes {classes}; with warm_start they must be those of the fit before, "
                f"{self.classes_}"
            )
        self._fit(X, y, classes, sample_weight, fresh=fresh, strata=y)
        return self

    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> FeedbackAlignmentClassifier:
        """One epoch on X (N, n_features), y (N,); the first call needs all ``classes`` there will be."""
        fresh = not self.__sklearn_is_fitted__()
        if isinstance(self.class_weight, str):  # "balanced"
            raise ValueError(
                f"[partial_fit] class_weight was {self.class_weight!r}; it must be a dict or None, for "
                "one batch doesn't know how many examples of each class there are. Compute the weights "
                "from all labels, or from a large enough sample: classes = np.unique(y); class_weight = "
                "dict(zip(classes, sklearn.utils.compute_class_weight('balanced', classes=classes, "
                "y=y)))"
            )
        if fresh and classes is None:
            raise ValueError("[partial_fit] classes was None; the first call must be given them")
        X, y = self._validated(X, y, reset=fresh)
        y = self._labels(y)
        known = np.unique(classes) if fresh else self.classes_
        if not fresh and classes is not None and not np.array_equal(np.unique(classes), known):
            raise ValueError(
                f"[partial_fit] classes was {classes!r}; it must be that of the first call, {known}"
            )
        self._fit(X, y, known, sample_weight, fresh=fresh, epochs=1)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class for each row of X (N, n_features): (N,)."""
        best = self._outputs(X).argmax(axis=1)
        return self.classes_[best]

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities (N, n_classes); logistic outputs are divided by their sum."""
        outputs = self._outputs(X)
        if self.network_.layers[-1].activation == "softmax":
            return outputs
        total = outputs.sum(axis=1, keepdims=True)
        even = np.full_like(outputs, 1 / outputs.shape[1])
        return np.divide(outputs, total, out=even, where=total > 0)

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """The logarithm of :meth:`predict_proba`."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def _fit(self, X: Any, y: Any, classes: np.ndarray, sample_weight: Any, **options: Any) -> None:
        number = np.searchsorted(classes, y)
        if (number == len(classes)).any() or (classes[number] != y).any():
            unknown = np.setdiff1d(y, classes)
            raise ValueError(
                f"[fit] y has {unknown}; every label must be one of classes, {classes}"
            )
        weights = self._weights(sample_weight, X)
        if self.class_weight is not None:
            each = compute_class_weight(self.class_weight, classes=classes, y=y)
            weights = each[number] if weights is None else weights * each[number]
        Y = np.zeros((len(y), len(classes)), dtype=X.dtype)
        Y[np.arange(len(y)), number] = 1
        self._learn(X, Y, weights, **options)
        self.classes_ = classes

    def _labels(self, y: Any) -> np.ndarray:
        check_classification_targets(y)
        return column_or_1d(y, warn=True)

    def _usual(self) -> ActivationName:
        each = self.feedback if isinstance(self.feedback, list | tuple) else [self.feedback]
        rules = [PRESETS.get(rule) if isinstance(rule, str) else rule for rule in each]
        sends_target = any(getattr(rule, "route", None) == "target" for rule in rules)
        return "tanh" if sends_target else "relu"

    def _output(self) -> tuple[ActivationName, LossName]:
        return self.output_activation, self.loss
