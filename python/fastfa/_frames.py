"""Tables in memory: frames and columns of pandas or Polars, of which neither is imported."""

from __future__ import annotations

from typing import Any

import numpy as np


def is_frame(value: Any) -> bool:
    """Whether this is a table with named columns."""
    return hasattr(value, "columns") and hasattr(value, "to_numpy") and hasattr(value, "shape")


def is_column(value: Any) -> bool:
    """Whether this is one of its columns."""
    return hasattr(value, "to_numpy") and hasattr(value, "dtype") and not hasattr(value, "columns")


def column(value: Any) -> np.ndarray:
    """A column, or any one-dimensional values: real numbers, or objects (of text, None, ...)."""
    array = np.asarray(value)
    kind = str(getattr(value, "dtype", "")).lower()
    if array.dtype.kind != "O" or not kind.startswith(("int", "uint", "float", "bool")):
        return array
    # Of pandas' Int64, boolean and such, whose missing values are objects.
    missing = np.array([one is None or type(one).__name__ == "NAType" for one in array.tolist()])
    if missing.any():
        return np.where(missing, np.nan, np.where(missing, 0, array).astype(np.float64))
    return array.astype(np.bool_ if kind.startswith("bool") else kind)


def numbers(where: str, name: str, frame: Any, names: Any = None) -> np.ndarray:
    """The columns of a frame, (N, columns), float64 unless all are of one smaller type.

    Raises
    ------
    TypeError, ValueError
        A column holds something else than real numbers, or lacks a value; names the column.
    """
    names = list(frame.columns) if names is None else names
    columns = []
    for each in names:
        values = column(frame[each])
        if values.ndim != 1:
            raise ValueError(
                f"[{where}] {name} has {each!r} {values.shape[1]} times; it must be once"
            )
        if values.dtype.kind not in "fiub":
            missing = any(value is None or value != value for value in values.tolist())
            what = "misses values" if missing else f"is of {values.dtype}"
            first = next((v for v in values.tolist() if isinstance(v, str)), None)
            what = what if first is None else f"holds text, such as {first[:40]!r}"
            raise TypeError(
                f"[{where}] {name}: column {each!r} {what}; it must hold real numbers (make some of it, "
                "as pandas.get_dummies does, or leave the column out)"
            )
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            row = int(np.argmax(~np.isfinite(values)))
            raise ValueError(
                f"[{where}] {name}: column {each!r} has {values[row]} in row {row}; it must be finite "
                "(fill in what is missing, or leave its rows out)"
            )
        columns.append(values)
    if not columns:
        return np.empty((len(frame), 0))
    return np.stack(columns, axis=1)
