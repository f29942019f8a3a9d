"""A user's own data: arrays, and files of any of the formats that fastfa reads."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import _check
from .amat import read_amat
from .idx import read_idx
from .libsvm import read_libsvm
from .load import Split
from .table import read_table, split_of

_PathLike = str | os.PathLike[str]


def from_arrays(
    x: npt.ArrayLike, labels: npt.ArrayLike, image_shape: tuple[int, int, int] | None = None
) -> Split:
    """Examples from arrays, checked and copied.

    Parameters
    ----------
    x : array_like, shape (N, n_in), (N, height, width) or (N, channels, height, width)
        Float64 stays; uint8 are grey levels and are divided by 255; other floats and integers become
        float32.
    labels : array_like, shape (N,)
        Integers from 0.
    image_shape : tuple of int, optional
        (channels, height, width), whose product is n_in. Default: the shape of x without N, or
        (1, 1, n_in) where that is one number.

    Returns
    -------
    Split
        New C-contiguous arrays, which share no memory with the arguments.

    Raises
    ------
    TypeError
        `x` is not real numbers, or `labels` are not integers.
    ValueError
        A shape does not fit, there are no examples, x is not finite, or a label is negative.
    """
    return _checked("from_arrays", "", x, labels, image_shape)


def read(
    source: _PathLike | tuple[_PathLike, _PathLike],
    *,
    label_column: int = -1,
    image_shape: tuple[int, int, int] | None = None,
) -> Split:
    """Read a file of your own, or a pair of IDX files, by the ending of its name.

    - ``.npz``: arrays ``x`` and ``labels`` (or ``y``), as of `from_arrays`; nothing in it is ever
      unpickled.
    - ``.csv``: numbers with commas between, an example a line, one column of which is the label; a
      first line of words is a header.
    - ``.amat``: as `read_amat`. ``.libsvm``, ``.svm``: as `read_libsvm`.
    - (images, labels): two IDX files, as `read_idx`.

    Text may be gzip, with or without ``.gz`` at the end. Text says nothing of grey levels, so the
    numbers of a CSV file are taken as they are: see `normalise`.

    Parameters
    ----------
    source : str or path-like, or a pair of them
        The file, or the files of the images and of the labels.
    label_column : int
        Of a CSV file: 0 for the first column, -1 for the last.
    image_shape : tuple of int, optional
        As for `from_arrays`; what the file says itself is the default.

    Returns
    -------
    Split

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        The ending is another, or the file is malformed; the message names it.
    """
    if isinstance(source, tuple | list):
        return _pair(source, image_shape)
    name = os.fspath(source)
    ending = Path(name.removesuffix(".gz")).suffix.lower()
    if ending == ".npz":
        return _npz(name, image_shape)
    if ending == ".csv":
        return _csv(name, label_column, image_shape)
    readers: dict[str, Any] = {".amat": read_amat, ".libsvm": read_libsvm, ".svm": read_libsvm}
    if ending not in readers:
        raise ValueError(
            f"[read] source was {name!r}; it must end in .npz, .csv, .amat, .libsvm or .svm, "
            "or be a pair of IDX files (images, labels)"
        )
    split: Split = readers[ending](name)
    return Split(split.x, split.labels, image_shape or split.image_shape)


def _pair(source: Any, image_shape: tuple[int, int, int] | None) -> Split:
    if len(source) != 2:
        raise ValueError(f"[read] source has {len(source)} files; it must be (images, labels)")
    images, labels = (read_idx(path) for path in source)
    return _checked("read", f"{os.fspath(source[0])}: ", images, labels, image_shape)


def _npz(name: str, image_shape: tuple[int, int, int] | None) -> Split:
    try:
        # Opened here, because of a damaged file np.load leaves its own open.
        with open(name, "rb") as raw, np.load(raw, allow_pickle=False) as file:
            key = "labels" if "labels" in file.files else "y"
            if "x" not in file.files or key not in file.files:
                held = ", ".join(file.files)
                raise ValueError(f"it holds {held or 'nothing'}, not x and labels")
            x, labels = file["x"], file[key]
    except (FileNotFoundError, PermissionError, MemoryError):
        raise
    except Exception as error:  # of a damaged file NumPy and zipfile raise nearly anything
        # NumPy's own words advise to unpickle what it can't read, which runs code of the file's.
        own = "allow_pickle" not in str(error)
        objects = "Object arrays" in str(error)
        why = str(error) if own else "it holds Python objects" if objects else "it is no archive"
        raise ValueError(
            f"[read] {name} cannot be read ({why}); it must be an .npz file with x and labels"
        ) from (error if own else None)
    return _checked("read", f"{name}: ", x, labels, image_shape)


def _csv(name: str, label_column: int, image_shape: tuple[int, int, int] | None) -> Split:
    table = read_table("read", name, ",")
    width = table.shape[1]
    if width < 2:
        raise ValueError(f"[read] {name} has {width} column; it must have two or more")
    if not -width <= label_column < width:
        raise ValueError(
            f"[read] label_column was {label_column}; it must be from {-width} to {width - 1}"
        )
    x = np.delete(table, label_column, axis=1)
    return split_of("read", name, x, table[:, label_column], image_shape or (1, 1, width - 1))


def _checked(
    where: str,
    source: str,
    x: npt.ArrayLike,
    labels: npt.ArrayLike,
    image_shape: tuple[int, int, int] | None,
) -> Split:
    values = _check.as_array(where, f"{source}x", x)
    classes = _check.as_array(where, f"{source}labels", labels)
    place = f"[{where}] {source}"
    if values.dtype.kind not in "fiu":
        raise _kind(source, f"{place}x has dtype {values.dtype}; it must be of real numbers")
    if classes.dtype.kind not in "iu":
        raise _kind(source, f"{place}labels has dtype {classes.dtype}; it must be an integer one")
    if values.ndim not in (2, 3, 4) or not values.size:
        raise ValueError(
            f"{place}x has shape {values.shape}; it must be (N, n_in), (N, height, width) "
            "or (N, channels, height, width), and hold something"
        )
    if classes.shape != values.shape[:1]:
        raise ValueError(f"{place}labels has shape {classes.shape}; it must be ({len(values)},)")
    if classes.min() < 0 or classes.max() > 10**6:
        at = int(np.argmax((classes < 0) | (classes > 10**6)))
        raise ValueError(f"{place}labels[{at}] was {classes[at]}; it must be from 0 to 1000000")
    dtype = np.float64 if values.dtype == np.float64 else np.float32
    rows = np.array(values.reshape(len(values), -1), dtype, order="C")
    if values.dtype == np.uint8:
        rows /= np.float32(255)
    if not np.isfinite(rows).all():
        row, column = np.argwhere(~np.isfinite(rows))[0]
        raise ValueError(f"{place}x holds {rows[row, column]} in row {row}; it must be finite")
    shape = image_shape or (1,) * (4 - values.ndim) + values.shape[1:]
    if np.prod(shape) != rows.shape[1] or len(shape) != 3:
        raise ValueError(
            f"{place}image_shape was {shape}; it must be three numbers of product {rows.shape[1]}"
        )
    return Split(rows, classes.astype(np.int64), shape)


def _kind(source: str, message: str) -> Exception:
    """A wrong dtype is a wrong type in an argument, and a wrong value in a file."""
    return ValueError(message) if source else TypeError(message)
