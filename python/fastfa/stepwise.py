"""What is to be seen of a step in parts; `fastfa.network.stepwise` does it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class StepState(NamedTuple):
    """What a network keeps of a step in parts: copies, (N, n_l) for each layer.

    ``activations`` are h, the last the output (before dropout, where there is some); ``deltas`` are
    δ = downhill, None until the error has come; ``updated`` tells whether the update is done.
    """

    activations: list[np.ndarray]
    deltas: list[np.ndarray] | None
    updated: bool
