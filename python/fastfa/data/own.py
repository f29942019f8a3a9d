"""A user's own data: arrays, and files of any of the formats that fastfa reads."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import _check
from .amat import read_amat
from .csv_table import read_csv
from .dataset import Split
from .idx import read_idx
from .image_shape import image_shape_of
from .libsvm import read_libsvm
from .limit import Limit, path_of
from .npz import read_npz
from .table import split_of

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
        A shape does not fit, there are no examples, x is not finite, a label is negative, or values are
        masked.
    """
    return _checked("from_arrays", "", x, labels, image_shape)


def read(
    source: _PathLike | tuple[_PathLike, _PathLike],
    *,
    label_column: int | str | None = None,
    header: bool | None = None,
    first_label: int = 0,
    image_shape: tuple[int, int, int] | None = None,
    limit: int | None = None,
) -> Split:
    """Read a file of your own, or a pair of IDX files, by the ending of its name.

    - ``.npz``: arrays ``x`` and ``labels`` (or ``y``), as of `from_arrays`; nothing in it is ever
      unpickled.
    - ``.csv``: numbers with commas between, in quotes or not, an example a line, one column of which is
      the label; a first line of words is a header.
    - ``.amat``: as `read_amat`. ``.libsvm``, ``.svm``: as `read_libsvm`.
    - (images, labels): two IDX files, as `read_idx`.

    Text may be gzip, with or without ``.gz`` at the end. Text says nothing of grey levels, so the
    numbers of a CSV file are taken as they are: see `normalise`.

    Parameters
    ----------
    source : str or path-like, or a pair of them
        The file, or the files of the images and of the labels.
    label_column : int or str, optional
        Of a CSV file: the label's column, 0 for the first, -1 for the last, or its name in the header.
        Default: the column that the header calls label, target, class, species, y or so; else the last,
        if it holds two classes or more.
    header : bool, optional
        Of a CSV file: whether its first line names the columns. Default: whether that is words. A
        first line 0, 1, 2, ... may be either, and is refused unless this is given.
    first_label : int
        What the file calls class 0. It is subtracted from the labels; so 1 for EMNIST's letters, which
        are 1 to 26.
    image_shape : tuple of int, optional
        As for `from_arrays`; what the file says itself is the default.
    limit : int, optional
        Bytes of memory that the file (of two, each) may take, with what is kept beside the arrays
        meanwhile. Default: 256 MiB, or 64 times the file's size if that is more.

    Returns
    -------
    Split

    Raises
    ------
    FileNotFoundError
        There is no such file.
    MemoryError
        The machine has too little memory; the message names the file.
    TypeError, ValueError
        The ending is another, the file is malformed or would take more than `limit`, or an argument is
        wrong or not for such a file; the message names it.
    """
    first_label = _check.integer("read", "first_label", first_label, -(10**6), 10**6)
    ending = "" if isinstance(source, tuple | list) else _ending(source)
    for name, value in (("label_column", label_column), ("header", header)):
        if value is not None and ending != ".csv":
            raise ValueError(f"[read] {name} was {value!r}; it must be None but for .csv files")
    if isinstance(source, tuple | list):
        return _pair(source, first_label, image_shape, limit)
    if ending == ".npz":
        bounds = Limit("read", source, limit)
        x, labels = read_npz(bounds, ("x",), ("labels", "y"))
        return _checked("read", f"{bounds.name}: ", x, labels, image_shape, first_label, bounds)
    if ending == ".csv":
        bounds = Limit("read", source, limit)
        table = read_csv(bounds, label_column, header)
        split = split_of(bounds, table, first_label, (1, 1, table.x.shape[1]))
    elif ending == ".amat":
        if first_label:
            raise ValueError(f"[read] first_label was {first_label}; it must be 0 for .amat files")
        split = read_amat(source, limit=limit)
    else:
        split = read_libsvm(source, first_label=first_label, limit=limit)
    if image_shape is None:
        return split
    return Split(split.x, split.labels, image_shape_of("[read] ", image_shape, split.x.shape[1]))


_ENDINGS = (".npz", ".csv", ".amat", ".libsvm", ".svm")


def _ending(source: _PathLike) -> str:
    name = path_of("read", "source", source)
    ending = Path(name.removesuffix(".gz")).suffix.lower()
    if ending not in _ENDINGS:
        raise ValueError(
            f"[read] source was {name!r}; it must end in .npz, .csv, .amat, .libsvm or .svm, "
            "or be a pair of IDX files (images, labels)"
        )
    return ending


def _pair(
    source: Any, first_label: int, image_shape: tuple[int, int, int] | None, limit: int | None
) -> Split:
    if len(source) != 2:
        raise ValueError(f"[read] source has {len(source)} files; it must be (images, labels)")
    images, labels = (read_idx(path, limit=limit) for path in source)
    bounds = Limit("read", source[0], limit)
    place = f"{bounds.name}: "
    return _checked("read", place, images, labels, image_shape, first_label, bounds)


def _checked(
    where: str,
    source: str,
    x: npt.ArrayLike,
    labels: npt.ArrayLike,
    image_shape: tuple[int, int, int] | None,
    first_label: int = 0,
    limit: Limit | None = None,
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
    low, high = first_label, first_label + 10**6
    if classes.min() < low or classes.max() > high:
        at = int(np.argmax((classes < low) | (classes > high)))
        raise ValueError(f"{place}labels[{at}] was {classes[at]}; it must be from {low} to {high}")
    dtype = np.float64 if values.dtype == np.float64 else np.float32
    if limit is not None:
        need = values.nbytes + values.size * np.dtype(dtype).itemsize
        limit.check(need, f"x, {values.dtype} of shape {values.shape}, as {np.dtype(dtype)}")
    with limit.memory() if limit is not None else contextlib.nullcontext():
        rows = np.array(values.reshape(len(values), -1), dtype, order="C")
    if values.dtype == np.uint8:
        np.divide(rows, np.float32(255), out=rows)
    if not np.isfinite(rows).all():
        row, column = np.argwhere(~np.isfinite(rows))[0]
        raise ValueError(f"{place}x holds {rows[row, column]} in row {row}; it must be finite")
    shape = (1,) * (4 - values.ndim) + values.shape[1:] if image_shape is None else image_shape
    shape = image_shape_of(place, shape, rows.shape[1])
    return Split(rows, classes.astype(np.int64) - first_label, shape)


def _kind(source: str, message: str) -> Exception:
    """A wrong dtype is a wrong type in an argument, and a wrong value in a file."""
    return ValueError(message) if source else TypeError(message)
