"""What the tests of sweep and tune share: both in milliseconds."""

from __future__ import annotations

import pytest
import sweep_cases
import tune_cases
from tiny_data import write_tiny


def training(folder):
    root = write_tiny(folder)
    return f'dataset = "mnist"\nroot = "{root}"\nhidden = [4]\nepochs = 1\n'


@pytest.fixture
def tiny_search(tmp_path):
    """A search that takes milliseconds."""
    text = training(tmp_path / "data") + "[search]\nlr = { low = 0.1, high = 1.0 }\n"
    return tune_cases.write(tmp_path, text)


@pytest.fixture
def tiny_sweep(tmp_path):
    """A sweep of four runs that take milliseconds."""
    text = training(tmp_path / "data") + "[sweep]\nseeds = 2\nlr = [0.1, 0.3]\n"
    return sweep_cases.write(tmp_path, text)
