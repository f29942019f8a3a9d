"""Where the emulated device is, and marks for tests that need a device."""

from __future__ import annotations

import os
from pathlib import Path

import fastfa as fa
import pytest

ORDERS = [f"cuda-emulated:{order}" for order in range(3)]  # forward, backward, shuffled


def library() -> Path:
    """The emulated device's library, as the core finds it."""
    named = os.environ.get("FASTFA_EMULATED_LIBRARY")
    return Path(named or Path(fa.__file__).parent / "lib" / "fastfa_cuda_emulated.so")


emulated = pytest.mark.skipif(
    not library().exists(), reason="this build has no emulated device (FASTFA_EMULATED=OFF)"
)
