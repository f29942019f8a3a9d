"""LIBSVM's text format: a label, then ``index:value`` for what is not zero, an example a line."""

from __future__ import annotations

import math
import os
import re

import numpy as np

from .load import Split
from .table import open_text

_PAIR = re.compile(r"([0-9]{1,9}):(\S+)")
_MOST_FEATURES = 1 << 20


def read_libsvm(
    path: str | os.PathLike[str], features: int | None = None, first_label: int = 0
) -> Split:
    """Read a LIBSVM file, plain or gzip, into a dense array.

    Indices count from 1 and rise along a line; what follows a ``#`` is a comment.

    Parameters
    ----------
    path : str or path-like
        The file.
    features : int, optional
        Columns of x, such as 39 for the stop consonants of TIMIT. Default: the largest index, which
        in a small file may fall short of what another file of the same set has.
    first_label : int
        What the file calls class 0: mostly 0 or 1. It is subtracted from the labels.

    Returns
    -------
    Split
        ``x`` is float32 (N, features), ``labels`` int64 (N,).

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        A line is not of this format, a value is not finite, an index does not rise or is above
        `features`, a label is no whole number from `first_label`, or there are no examples. The
        message names the file and the line.
    """
    name = os.fspath(path)
    limit = _MOST_FEATURES if features is None else features
    labels: list[int] = []
    rows: list[int] = []
    columns: list[int] = []
    values: list[float] = []
    with open_text("read_libsvm", path) as file:
        for at, line in enumerate(file, 1):
            fields = line.partition("#")[0].split()
            if not fields:
                continue
            place = f"[read_libsvm] {name}: line {at}"
            before = 0
            for text in fields[1:]:
                match = _PAIR.fullmatch(text)
                value = _number(match[2]) if match else None
                if match is None or value is None:
                    raise ValueError(f"{place} has {text[:40]!r}; it must be index:value")
                index = int(match[1])
                if not before < index <= limit:
                    raise ValueError(
                        f"{place} has index {index}; it must be from {before + 1} to {limit}"
                    )
                before = index
                rows.append(len(labels))
                columns.append(index - 1)
                values.append(value)
            labels.append(_label(place, fields[0], first_label))
    if not labels:
        raise ValueError(f"[read_libsvm] {name} holds no examples; it must hold at least one")
    width = max(columns, default=0) + 1 if features is None else features
    x = np.zeros((len(labels), width), np.float32)
    x[rows, columns] = values
    return Split(x, np.array(labels, np.int64), (1, 1, width))


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and abs(value) < 3e38 and "_" not in text else None


def _label(place: str, text: str, first: int) -> int:
    value = _number(text)
    if value is None or value != int(value) or not first <= value < first + 10**6:
        raise ValueError(f"{place} has label {text[:40]!r}; it must be a whole number from {first}")
    return int(value) - first
