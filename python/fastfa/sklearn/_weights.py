"""What examples weigh: in `fit` relative to their mean, in `partial_fit` as they are given."""

from __future__ import annotations

import numpy as np


def checked(weights: np.ndarray, *, some: bool) -> np.ndarray:
    """The weights (N,) if none is negative and, with ``some``, not all are 0; else a ValueError."""
    if weights.min() < 0 or (some and not weights.any()):
        raise ValueError(
            f"[fit] sample_weight, times class_weight, lies in [{weights.min():g}, {weights.max():g}]; "
            "no weight may be negative, and one at least must be positive"
        )
    return weights


def relative(weights: np.ndarray) -> np.ndarray:
    """Weights whose mean is 1, so that updates are as large as those of unweighted examples.

    Then a learning rate means the same with any weights, and whole numbers mean what repeated rows do.
    """
    shares = weights / weights.max()  # first: sums of very large or small weights have no mean
    return shares / shares.mean()
