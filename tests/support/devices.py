"""Where the emulated device is, and marks for tests that need a device."""

from __future__ import annotations

import ctypes
import os
from collections import Counter
from pathlib import Path

import fastfa as fa
import pytest

ORDERS = [f"cuda-emulated:{order}" for order in range(3)]  # forward, backward, shuffled


def library() -> Path:
    """The emulated device's library, as the core finds it."""
    named = os.environ.get("FASTFA_EMULATED_LIBRARY")
    return Path(named or Path(fa.__file__).parent / "lib" / "fastfa_cuda_emulated.so")


def kernels_run() -> Counter[str]:
    """How often each kernel has run in this process; also "(copy)", "(record)" and "(replay)"."""
    names = ctypes.CDLL(str(library())).fastfa_kernels_run
    names.restype = ctypes.c_char_p
    counts = (pair.rsplit("=", 1) for pair in names().decode().split())
    return Counter({name: int(times) for name, times in counts})


emulated = pytest.mark.skipif(
    not library().exists(), reason="this build has no emulated device (FASTFA_EMULATED=OFF)"
)
