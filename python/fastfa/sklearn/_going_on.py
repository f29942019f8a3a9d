"""Parameters that were changed before a network goes on learning: which it can take, which not."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..feedback import Feedback


def kept(value: Any) -> Any:
    """The value as it is now, where the caller may change it in place."""
    return tuple(map(kept, value)) if isinstance(value, list | tuple) else value


def same(a: Any, b: Any) -> bool:
    """Whether two values of a parameter mean the same."""
    if a is b:
        return True
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, Feedback) and isinstance(b, Feedback):
        return same(list(a._fields().items()), list(b._fields().items()))
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return np.array_equal(a, b)
    if isinstance(a, numbers.Number) and isinstance(b, numbers.Number):
        return a == b
    return type(a) is type(b) and bool(a == b)


def check_unchanged(made_with: dict[str, Any], now: dict[str, Any], names: Sequence[str]) -> None:
    """Refuse a new value of a parameter that the network was built from.

    Raises
    ------
    ValueError
        Naming the parameter.
    """
    for name in names:
        before, after = made_with[name], kept(now[name])
        if name == "hidden_layer_sizes":  # 100 is (100,)
            before, after = (v if isinstance(v, tuple) else (v,) for v in (before, after))
        if not same(before, after):
            raise ValueError(
                f"[fit] {name} was {now[name]!r}; the network was made with {made_with[name]!r}, and "
                "warm_start and partial_fit go on with it: it must stay that, or a new estimator "
                "(or warm_start=False) makes another network"
            )
