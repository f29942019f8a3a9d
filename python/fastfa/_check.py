"""Checks shared by the public classes. Each error names the argument, its value, and what it must be."""

from __future__ import annotations

import math
import numbers
import operator
import os
from collections.abc import Sequence
from typing import Any

import numpy as np


def integer(where: str, name: str, value: Any, low: int, high: int | None = None) -> int:
    """`value` as an int in [low, high]; bools and floats are refused."""
    limits = f"an integer of at least {low}" if high is None else f"an integer in [{low}, {high}]"
    if isinstance(value, bool | np.bool_):
        raise TypeError(f"[{where}] {name} was {value!r}; it must be {limits}")
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"[{where}] {name} was {value!r}; it must be {limits}") from None
    if number < low or (high is not None and number > high):
        raise ValueError(f"[{where}] {name} was {value!r}; it must be {limits}")
    return number


def real(
    where: str,
    name: str,
    value: Any,
    *,
    low: float = 0.0,
    high: float = math.inf,
    open_low: bool = False,
    open_high: bool = False,
) -> float:
    """`value` as a finite float in the given interval."""
    right = ")" if open_high or high == math.inf else "]"
    limits = f"{'(' if open_low else '['}{low:g}, {high:g}{right}"
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
        raise TypeError(f"[{where}] {name} was {value!r}; it must be a number in {limits}")
    number = float(value)
    inside = (number > low if open_low else number >= low) and (
        number < high if open_high else number <= high
    )
    if not (math.isfinite(number) and inside):
        raise ValueError(f"[{where}] {name} was {value!r}; it must be a finite number in {limits}")
    return number


def choice(where: str, name: str, value: Any, known: Sequence[str]) -> str:
    """`value` if it is one of `known`."""
    if not isinstance(value, str):
        raise TypeError(f"[{where}] {name} was {value!r}; it must be one of {', '.join(known)}")
    if value not in known:
        import difflib  # only for the message

        close = difflib.get_close_matches(value, known, n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        raise ValueError(
            f"[{where}] {name} was {value!r}; it must be one of {', '.join(known)}{hint}"
        )
    return value


def flag(where: str, name: str, value: Any) -> bool:
    """`value` if it is a bool."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"[{where}] {name} was {value!r}; it must be True or False")
    return bool(value)


def as_array(where: str, name: str, value: Any) -> np.ndarray:
    """`value` as an array, without a copy where it is one, of NumPy or by DLPack of another library."""
    if isinstance(value, np.ndarray) or not hasattr(value, "__dlpack__"):
        try:
            return np.asarray(value)
        except ValueError as error:  # ragged
            raise ValueError(f"[{where}] {name} must be an array of numbers: {error}") from None
    try:
        return np.from_dlpack(value)
    except (BufferError, RuntimeError, TypeError) as error:
        kind = f"{type(value).__module__}.{type(value).__name__}"
        raise TypeError(
            f"[{where}] {name} was a {kind} that can't be read in place ({error}); it must be in main "
            "memory, of a dtype that NumPy knows, and detached from any gradient"
        ) from None


def numeric(where: str, name: str, value: Any, dtype: np.dtype) -> np.ndarray:
    """`value` as a C-contiguous array of `dtype`; not copied where it already is one."""
    array = as_array(where, name, value)
    if array.dtype.kind not in "fiub":
        raise TypeError(
            f"[{where}] {name} has dtype {array.dtype}; it must hold real numbers ({dtype})"
        )
    with np.errstate(over="ignore"):  # what overflows is found as not finite
        return np.ascontiguousarray(array, dtype=dtype)


def finite(where: str, name: str, array: np.ndarray) -> None:
    """Refuse NaN and infinity, telling where the first one is."""
    # A finite sum has finite terms; only a suspicious one needs the slow look.
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(array.sum()):
            return
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        at = tuple(int(i) for i in bad[0])
        raise ValueError(
            f"[{where}] {name} has {array[at]} at {list(at)}; every value must be finite"
        )


def path(where: str, name: str, value: Any) -> str:
    """`value` as text, if it is a path. An integer, to Python's `open` an open file, is none."""
    if not isinstance(value, str | bytes | os.PathLike):
        raise TypeError(f"[{where}] {name} was {value!r}; it must be a path")
    return os.fsdecode(value)
