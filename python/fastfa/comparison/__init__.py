"""Comparing rules: several networks a contestant, with the same seeds, and what that says."""

from .comparing import compare
from .result import Comparison

__all__ = ["Comparison", "compare"]


def __dir__() -> list[str]:
    return sorted(__all__)
