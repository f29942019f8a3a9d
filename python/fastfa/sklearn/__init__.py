"""scikit-learn: estimators that learn by feedback alignment.

>>> from fastfa.sklearn import FeedbackAlignmentClassifier
>>> from sklearn.datasets import load_iris
>>> from sklearn.pipeline import make_pipeline
>>> from sklearn.preprocessing import StandardScaler
>>> X, y = load_iris(return_X_y=True)
>>> model = make_pipeline(StandardScaler(), FeedbackAlignmentClassifier(random_state=0)).fit(X, y)
>>> model.score(X, y) > 0.9
True
"""

from __future__ import annotations

from ..interop._peers import need

need("sklearn", "sklearn", "scikit-learn", "sklearn")

from ._classifier import FeedbackAlignmentClassifier  # noqa: E402
from ._regressor import FeedbackAlignmentRegressor  # noqa: E402

__all__ = ["FeedbackAlignmentClassifier", "FeedbackAlignmentRegressor"]


def __dir__() -> list[str]:
    return sorted(__all__)
