"""How much memory a call takes."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

MB = 1 << 20


def peak_of(call: Callable[[], object]) -> int:
    """The most memory that Python and NumPy held meanwhile."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
