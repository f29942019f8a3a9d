"""A user's own data: arrays, and files of any of the formats that fastfa reads."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from .. import _check, _frames
from .._class_names import check_names, found_names, is_text, numbered
from .amat import read_amat
from .csv_table import Columns, read_csv
from .dataset import Split
from .idx import read_idx
from .image_shape import image_shape_of
from .libsvm import read_libsvm, read_pairs
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
        float32. Or a frame of pandas or Polars, whose columns are features.
    labels : array_like, shape (N,)
        Integers from 0, or booleans; or names, which are numbered in alphabetical order.
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
    source: Any,
    *,
    label_column: int | str | None = None,
    header: bool | None = None,
    ignore: Sequence[str] = (),
    task: Literal["classification", "regression"] | None = None,
    first_label: int = 0,
    class_names: Sequence[str] | None = None,
    image_shape: tuple[int, int, int] | None = None,
    limit: int | None = None,
) -> Split:
    """Read a file of your own, or a pair of IDX files, by the ending of its name; or a frame.

    A table that is to be divided into a training and a test set is for `read_dataset`.

    - ``.npz``: arrays ``x`` and ``labels`` (or ``y``), as of `from_arrays`; nothing in it is ever
      unpickled.
    - ``.csv``, ``.tsv``: numbers with commas between (or semicolons or tabs, where the first line has no
      comma), in quotes or not, an example a line, one column of which is the label, a number or a name;
      a first line of words is a header.
    - ``.amat``: as `read_amat`. ``.libsvm``, ``.svm``: as `read_libsvm`.
    - (images, labels): two IDX files, as `read_idx`.
    - A frame of pandas or Polars, as a CSV file with a header.

    Text may be gzip, with or without ``.gz`` at the end. Text says nothing of grey levels, so the
    numbers of a CSV file are taken as they are: see `normalise`.

    Parameters
    ----------
    source : str or path-like, a pair of them, or a frame
        The file, or the files of the images and of the labels.
    label_column : int or str, optional
        Of a CSV file or a frame: the label's column, 0 for the first, -1 for the last, or its name.
        Default: the column that the header calls label, target, class, species, y or so; else the last,
        if it holds two classes or more.
    header : bool, optional
        Of a CSV file: whether its first line names the columns. Default: whether that is words. A
        first line 0, 1, 2, ... may be either, and is refused unless this is given.
    ignore : sequence of str
        Of a CSV file or a frame: names of columns that are left out.
    task : {"classification", "regression"}, optional
        With ``"regression"`` the labels are numbers to predict, any ones, and are kept as float64.
        Otherwise they must be names or whole numbers.
    first_label : int
        What the file calls class 0. It is subtracted from the labels; so 1 for EMNIST's letters, which
        are 1 to 26.
    class_names : sequence of str, optional
        What classes 0, 1, ... are called. Default: where labels are names, those that are there, in
        alphabetical order. For files that belong together, give the ``class_names`` of the first to
        the others: a class that is missing in one would shift the numbers of those behind it.
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
    if class_names is not None:
        class_names = check_names("read", class_names)
    if task is not None:
        _check.choice("read", "task", task, TASKS)
    is_frame = _frames.is_frame(source)
    ending = (
        "" if isinstance(source, tuple | list) or is_frame else ending_of("read", "source", source)
    )
    is_table = is_frame or ending in (".csv", ".tsv")
    for name, value in (
        ("label_column", label_column),
        ("header", header),
        ("ignore", ignore or None),
    ):
        if value is not None and not (is_table and not (is_frame and name == "header")):
            raise ValueError(f"[read] {name} was {value!r}; it must be None but for .csv files")
    if isinstance(source, tuple | list):
        return _pair(source, first_label, image_shape, limit, class_names, task)
    if ending == ".npz":
        bounds = Limit("read", source, limit)
        x, labels = read_npz(bounds, ("x",), ("labels", "y"))
        place = f"{bounds.name}: "
        return _checked(
            "read", place, x, labels, image_shape, first_label, bounds, class_names, task
        )
    if is_frame:
        x, labels, _ = from_frame("read", source, label_column, ignore)
        labels = whole(labels)
        return _checked("read", "", x, labels, image_shape, first_label, None, class_names, task)
    if is_table:
        bounds = Limit("read", source, limit)
        table = read_csv(bounds, label_column, header, ignore=ignore).table
        shape = (1, 1, table.x.shape[1])
        if is_text(table.labels) or task == "regression":
            split = _checked(
                "read",
                f"{bounds.name}: ",
                table.x,
                table.labels,
                None,
                0,
                bounds,
                class_names,
                task,
            )
        else:
            split = split_of(bounds, table, first_label, shape)
    elif ending == ".amat":
        if first_label:
            raise ValueError(f"[read] first_label was {first_label}; it must be 0 for .amat files")
        if task == "regression":
            raise ValueError(f"[read] task was {task!r}; it must be None for .amat files")
        split = read_amat(source, limit=limit)
    elif task == "regression":
        x, labels = read_pairs(Limit("read", source, limit))
        split = Split(x, labels, (1, 1, x.shape[1]))
    else:
        split = read_libsvm(source, first_label=first_label, limit=limit)
    names = split.class_names if class_names is None else class_names
    shape = split.image_shape
    if image_shape is not None:
        shape = image_shape_of("[read] ", image_shape, split.x.shape[1])
    return Split(split.x, split.labels, shape, names)


TASKS = ("classification", "regression")


def from_frame(
    where: str,
    source: Any,
    label_column: int | str | None,
    ignore: Sequence[str],
    argument: str = "label_column",
    sequence: str | None = None,
) -> tuple[npt.NDArray[Any], npt.NDArray[Any], Columns]:
    """The features and the labels of a frame, and what its columns are."""
    names = [str(name) for name in source.columns]
    columns = Columns(where, "the frame", label_column, True, ignore, argument, sequence)
    layout = columns.layout(names, len(names))
    own = list(source.columns)
    labels = _frames.column(source[own[layout.label]])
    columns.check_default(labels)
    taken = [own[at] for at in range(len(own)) if at != layout.label and at not in layout.ignored]
    return _frames.numbers(where, "the frame", source, taken), labels, columns


def whole(labels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Floats that are whole numbers, as a column of a frame has them, as integers."""
    if (
        labels.dtype.kind == "f"
        and np.isfinite(labels).all()
        and (labels == np.floor(labels)).all()
    ):
        return labels.astype(np.int64)
    return labels


ENDINGS = (".npz", ".csv", ".tsv", ".amat", ".libsvm", ".svm")


def ending_of(where: str, argument: str, source: _PathLike) -> str:
    """The ending of a file's name, in small letters, if it is one of those that are read."""
    name = path_of(where, argument, source)
    ending = Path(name.removesuffix(".gz")).suffix.lower()
    if ending not in ENDINGS:
        raise ValueError(
            f"[{where}] {argument} was {name!r}; it must end in .npz, .csv, .amat, .libsvm or .svm, "
            "or be a pair of IDX files (images, labels)"
        )
    return ending


def _pair(
    source: Any,
    first_label: int,
    image_shape: tuple[int, int, int] | None,
    limit: int | None,
    class_names: Sequence[str] | None,
    task: str | None,
) -> Split:
    if len(source) != 2:
        raise ValueError(f"[read] source has {len(source)} files; it must be (images, labels)")
    images, labels = (read_idx(path, limit=limit) for path in source)
    bounds = Limit("read", source[0], limit)
    place = f"{bounds.name}: "
    return _checked(
        "read", place, images, labels, image_shape, first_label, bounds, class_names, task
    )


def _checked(
    where: str,
    source: str,
    x: npt.ArrayLike,
    labels: npt.ArrayLike,
    image_shape: tuple[int, int, int] | None,
    first_label: int = 0,
    limit: Limit | None = None,
    class_names: Sequence[str] | None = None,
    task: str | None = None,
) -> Split:
    rows, shape = features(where, source, x, image_shape, limit)
    answers = _check.as_array(where, f"{source}labels", labels)
    place = f"[{where}] {source}"
    if answers.shape != rows.shape[:1]:
        raise ValueError(f"{place}labels has shape {answers.shape}; it must be ({len(rows)},)")
    if task == "regression":
        return Split(rows, targets(where, f"{source}labels", answers), shape)
    if is_text(answers):
        names = (
            found_names(where, f"{source}labels", answers) if class_names is None else class_names
        )
        return Split(rows, numbered(where, f"{source}labels", answers, names), shape, tuple(names))
    if answers.dtype.kind == "b":
        answers = answers.astype(np.int64)
    if answers.dtype.kind not in "iu":
        raise _kind(source, f"{place}labels has dtype {answers.dtype}; it must be an integer one")
    low, high = first_label, first_label + 10**6
    if answers.min() < low or answers.max() > high:
        at = int(np.argmax((answers < low) | (answers > high)))
        raise ValueError(f"{place}labels[{at}] was {answers[at]}; it must be from {low} to {high}")
    return Split(rows, answers.astype(np.int64) - first_label, shape, tuple(class_names or ()))


def targets(where: str, name: str, values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Numbers to predict, (N,)."""
    if values.dtype.kind not in "fiub":
        raise TypeError(
            f"[{where}] {name} has dtype {values.dtype}; for regression it must be numbers"
        )
    numbers = values.astype(np.float64)
    _check.finite(where, name, numbers)
    return numbers


def features(
    where: str,
    source: str,
    x: npt.ArrayLike,
    image_shape: tuple[int, int, int] | None,
    limit: Limit | None = None,
) -> tuple[npt.NDArray[Any], tuple[int, int, int]]:
    """x as new rows of float32 or float64, grey levels divided by 255; the shape of an image."""
    values = _check.as_array(where, f"{source}x", x)
    place = f"[{where}] {source}"
    if values.dtype.kind not in "fiu":
        raise _kind(source, f"{place}x has dtype {values.dtype}; it must be of real numbers")
    if values.ndim not in (2, 3, 4) or not values.size:
        raise ValueError(
            f"{place}x has shape {values.shape}; it must be (N, n_in), (N, height, width) "
            "or (N, channels, height, width), and hold something"
        )
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
    return rows, image_shape_of(place, shape, rows.shape[1])


def _kind(source: str, message: str) -> Exception:
    """A wrong dtype is a wrong type in an argument, and a wrong value in a file."""
    return ValueError(message) if source else TypeError(message)
