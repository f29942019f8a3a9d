"""Checks shared by the public classes. Each error names the argument, its value, and what it must be."""

from __future__ import annotations

import math
import numbers
import operator
import os
import stat
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from . import _core, _frames

_INT64_MAX = 2**63 - 1
_LONGEST = 200  # characters of a value in a message
_FEW = (1, 3, 4)  # channels of pictures: grey, colour, colour with transparency
_SQUARE, _PHOTO = 8, 32  # pixels along a side from which on an input may be taken for a picture


def shown(value: Any) -> str:
    """`value` for an error message: its repr, cut if it is long. Of a huge integer, about how much."""
    if isinstance(value, int) and value.bit_length() > 128:
        sign = "-" if value < 0 else ""
        return f"{sign}10**{int(value.bit_length() * math.log10(2))} or so"
    try:
        text = repr(value)
    except ValueError as error:  # a huge integer within it
        text = f"a {type(value).__name__} that can't be shown ({error})"
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


def integer(where: str, name: str, value: Any, low: int, high: int | None = None) -> int:
    """`value` as an int in [low, high], by default of at most 64 bits; bools and floats are refused."""
    limits = f"an integer of at least {low}" if high is None else f"an integer in [{low}, {high}]"
    if isinstance(value, bool | np.bool_):
        raise TypeError(f"[{where}] {name} was {value!r}; it must be {limits}")
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"[{where}] {name} was {shown(value)}; it must be {limits}") from None
    if high is None and number > _INT64_MAX:
        high, limits = _INT64_MAX, f"an integer in [{low}, {_INT64_MAX}]"
    if number < low or (high is not None and number > high):
        raise ValueError(f"[{where}] {name} was {shown(value)}; it must be {limits}")
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
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_)
    if not is_number:
        raise TypeError(f"[{where}] {name} was {shown(value)}; it must be a number in {limits}")
    try:
        number = float(value)
    except OverflowError:  # an integer or a fraction beyond the largest float
        number = math.inf if value > 0 else -math.inf
    inside = (number > low if open_low else number >= low) and (
        number < high if open_high else number <= high
    )
    if not (math.isfinite(number) and inside):
        raise ValueError(
            f"[{where}] {name} was {shown(value)}; it must be a finite number in {limits}"
        )
    return number


def choice(where: str, name: str, value: Any, known: Sequence[str]) -> str:
    """`value` if it is one of `known`, or the one that it is another name of."""
    if not isinstance(value, str):
        raise TypeError(
            f"[{where}] {name} was {shown(value)}; it must be one of {', '.join(known)}"
        )
    value = value if value in known else _core.ALIASES.get(value, value)
    if value not in known:
        import difflib  # only for the message

        close = difflib.get_close_matches(value, known, n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        raise ValueError(
            f"[{where}] {name} was {shown(value)}; it must be one of {', '.join(known)}{hint}"
        )
    return value


def flag(where: str, name: str, value: Any) -> bool:
    """`value` if it is a bool."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"[{where}] {name} was {shown(value)}; it must be True or False")
    return bool(value)


def as_array(where: str, name: str, value: Any) -> np.ndarray:
    """`value` as an array, without a copy where it is one, of NumPy or by DLPack of another library.

    Of a frame the columns, which must be numbers.

    An array with masked values is refused: behind a mask there are numbers, which aren't data.
    """
    if type(value) is np.ndarray:
        return value
    if isinstance(value, np.ndarray) or not hasattr(value, "__dlpack__"):
        unmasked(where, name, value)
        if _frames.is_frame(value):
            return _frames.numbers(where, name, value)
        if _frames.is_column(value):
            return _frames.column(value)
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


def unmasked(where: str, name: str, value: Any) -> None:
    """Refuse a masked array, or a list that has one in it, if any of its values is masked."""
    ma = sys.modules.get("numpy.ma")
    if ma is None:  # NumPy loads it when it is first used: so nobody has a masked array
        return
    if isinstance(value, list | tuple):
        kinds = set(map(type, value))
        if any(issubclass(kind, list | tuple | ma.MaskedArray) for kind in kinds):
            for i, item in enumerate(value):
                unmasked(where, f"{name}[{i}]", item)
    elif isinstance(value, ma.MaskedArray):
        mask = ma.getmaskarray(value)
        if (
            mask.dtype.kind == "b" and mask.any()
        ):  # of a structured array it isn't, nor is it numeric
            at = [int(i) for i in np.argwhere(mask)[0]]
            raise ValueError(
                f"[{where}] {name} has masked values ({int(mask.sum())}, the first at {at}); it must "
                "have none: leave these examples out, or fill them (numpy.ma.filled)"
            )


def contiguous(array: np.ndarray, dtype: Any = None) -> np.ndarray:
    """``array`` row by row in memory, where numbers of its dtype may lie; copied only if need be."""
    made = np.ascontiguousarray(array, dtype=dtype)
    return made if made.flags.aligned else made.copy()


def numeric(where: str, name: str, value: Any, dtype: np.dtype) -> np.ndarray:
    """`value` as a C-contiguous array of `dtype`; not copied where it already is one."""
    array = real_numbers(where, name, value, dtype)
    try:
        with np.errstate(over="raise"):
            return contiguous(array, dtype)
    except FloatingPointError:
        _refuse_overflow(where, name, array, dtype)
    except MemoryError:
        raise MemoryError(
            f"[{where}] {name} has shape {array.shape} and takes {array.size * dtype.itemsize} "
            f"bytes as a C-contiguous array of {dtype}; there is not so much memory"
        ) from None


def _refuse_overflow(where: str, name: str, array: np.ndarray, dtype: np.dtype) -> NoReturn:
    """Say where the first value is that is finite as given and isn't in `dtype`."""
    with np.errstate(over="ignore"):
        lost = np.isfinite(array) & ~np.isfinite(array.astype(dtype))
    at = tuple(int(i) for i in np.argwhere(lost)[0])
    raise ValueError(
        f"[{where}] {name} has {array[at]} at {list(at)}, which overflows {dtype}; every value must be "
        f"within ±{np.finfo(dtype).max:.4g}"
    )


def real_numbers(where: str, name: str, value: Any, wanted: np.dtype | None = None) -> np.ndarray:
    """`value` as an array of floats, integers, or booleans (0 and 1); ``wanted`` is for the message."""
    array = as_array(where, name, value)
    if array.dtype.kind not in "fiub":
        what = "real numbers" if wanted is None else f"real numbers ({wanted})"
        plain = isinstance(value, np.ndarray | list | tuple)
        odd = "" if plain else f" as a {type(value).__name__}"
        raise TypeError(f"[{where}] {name} has dtype {array.dtype}{odd}; it must hold {what}")
    return array


def finite(where: str, name: str, array: np.ndarray) -> None:
    """Refuse NaN and infinity, telling where the first one is."""
    # A finite sum has finite terms; only a suspicious one needs the slow look.
    with np.errstate(over="ignore", invalid="ignore"):
        # Not array.sum(), which NumPy imports when it is first called: too late as Python ends.
        if np.isfinite(np.add.reduce(array, axis=None)):
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


def regular_file(where: str, path: str | bytes | os.PathLike[Any]) -> os.stat_result:
    """What the system says of a file, if it is one: to open a pipe can wait for ever, and a device may
    have no end. A file that isn't there is an OSError."""
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"[{where}] {os.fsdecode(path)} is not a regular file; it must be one")
    return status


def channels_last(shape: Sequence[int]) -> bool:
    """Whether a shape looks like (H, W, C) of a picture, and not like (C, H, W)."""
    if len(shape) != 3:
        return False
    height, width, channels = shape
    square = height == width >= _SQUARE
    photo = channels > 1 and min(height, width) >= _PHOTO
    return channels in _FEW and (square or photo)


def from_one_hint(low: int, high: int, classes: int) -> str:
    """What to say more of labels in [low, high] that are no numbers of classes, if they count from 1."""
    return " (where labels count from 1, give labels - 1)" if low >= 1 and high == classes else ""
