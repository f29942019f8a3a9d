"""What the tests of comparisons and experiments share."""

from __future__ import annotations

import pytest
from compare_cases import compared


@pytest.fixture(scope="module")
def found():
    """A comparison of three rules."""
    return compared()


@pytest.fixture
def toy_experiment(monkeypatch):
    """An experiment of any name that takes no time, and its runs."""
    from experiment_cases import known_as, toy  # needs SciPy

    experiment, ran = toy()
    known_as(monkeypatch, experiment)
    return experiment, ran
