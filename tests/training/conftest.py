"""What the trainer's and the callbacks' tests learn from."""

from __future__ import annotations

import callback_cases
import numpy as np
import pytest
from trainer_cases import CLASSES, INPUTS, N


@pytest.fixture
def problem(rng):
    """Inputs and labels that can be learned: each class is a direction, with noise."""
    labels = rng.integers(0, CLASSES, N)
    centres = rng.normal(size=(CLASSES, INPUTS))
    x = centres[labels] + 0.3 * rng.normal(size=(N, INPUTS))
    return x.astype(np.float32), labels


@pytest.fixture
def noise(rng):
    """Inputs and labels that have nothing to do with each other, for callbacks."""
    labels = rng.integers(0, callback_cases.CLASSES, callback_cases.N)
    return rng.normal(size=(callback_cases.N, callback_cases.INPUTS)).astype(np.float32), labels
