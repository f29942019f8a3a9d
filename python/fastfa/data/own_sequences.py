"""A user's own sequences: arrays, rows of a table that belong together, arrays of an .npz file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import _check
from .._class_names import check_names, found_names, is_text, numbered
from .dataset import Split
from .limit import Limit
from .npz import SEQUENCES, read_npz
from .sequences import Sequences
from .transform import one_hot

_MOST_CLASSES = 10**5


def from_sequences(
    X: Any,
    Y: Any,
    *,
    lengths: Any = None,
    mask: Any = None,
    class_names: Sequence[str] | None = None,
) -> Sequences:
    """Sequences from arrays, or from lists of arrays of different lengths, checked and copied.

    Parameters
    ----------
    X : array_like (N, T, n_in), or a list of N arrays (T_i, n_in)
        Float64 stays; other numbers become float32. Of different lengths, shorter ones are padded with
        zeros, and `lengths` follow.
    Y : array_like (N, T, k) or (N, k), or a list of N arrays (T_i, k)
        The targets of each step, or of each sequence's last step. Or labels (N,), of the last steps:
        integers from 0, booleans, or names, which are numbered in alphabetical order.
    lengths : array_like (N,), optional
        Where each sequence ends, 1 ... T.
    mask : array_like (N, T), optional
        What each step counts.
    class_names : sequence of str, optional
        What the classes, or y's columns, are called. Of labels that are numbers, default: ``"0"``, …

    Returns
    -------
    Sequences
        New arrays, which share no memory with the arguments.

    Raises
    ------
    TypeError, ValueError
        A shape does not fit, a value is not finite or out of range, or `lengths` or `mask` are given for
        a list of sequences of different lengths.

    Examples
    --------
    >>> import numpy as np, fastfa as fa
    >>> fa.data.from_sequences([np.ones((3, 2)), np.ones((5, 2))], ["left", "right"]).lengths
    array([3, 5])
    """
    where = "from_sequences"
    if class_names is not None:
        class_names = check_names(where, class_names)
    if isinstance(X, list | tuple) and len({np.shape(each) for each in X}) > 1:
        for name, value in (("lengths", lengths), ("mask", mask)):
            if value is not None:
                raise ValueError(
                    f"[{where}] {name} was given with X of different lengths; it must be None"
                )
        each = [_numbers(where, f"X[{i}]", own, 2) for i, own in enumerate(X)]
        lengths = np.array([len(own) for own in each], np.int64)
        x = _padded(where, "X", each)
        if isinstance(Y, list | tuple) and np.ndim(Y[0]) == 2:
            ends = [_numbers(where, f"Y[{i}]", own, 2) for i, own in enumerate(Y)]
            if [len(own) for own in ends] != lengths.tolist():
                raise ValueError(
                    f"[{where}] Y has sequences of other lengths than X; each must have as many steps"
                )
            Y = _padded(where, "Y", ends)
    else:
        x = _numbers(where, "X", X, 3)
    answers = _check.as_array(where, "Y", Y)
    if answers.ndim == 1 and (answers.dtype.kind in "iub" or is_text(answers)):
        answers, class_names = _classes_of(where, answers, class_names)
    return Sequences(
        x,
        _numbers(where, "Y", answers, answers.ndim),
        None if lengths is None else np.array(lengths),
        None if mask is None else np.array(mask),
        tuple(class_names or ()),
    )


def _classes_of(
    where: str, labels: npt.NDArray[Any], names: Sequence[str] | None
) -> tuple[npt.NDArray[Any], tuple[str, ...]]:
    """Labels (N,) as (N, k) of 0 and 1, and what the k classes are called."""
    if is_text(labels):
        names = found_names(where, "Y", labels) if names is None else names
        labels = numbered(where, "Y", labels, names)
    most = _MOST_CLASSES if names is None else len(names)
    if labels.size and not 0 <= labels.min() <= labels.max() < most:
        raise ValueError(
            f"[{where}] Y lies in [{labels.min()}, {labels.max()}]; labels must be from 0 to {most - 1}"
        )
    if names is None:
        names = [str(number) for number in range(int(labels.max(initial=0)) + 1)]
    return one_hot(labels.astype(np.int64), len(names)), tuple(names)


def _padded(where: str, name: str, each: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Arrays (T_i, k) as one (N, T, k), with zeros behind the shorter ones."""
    widths = {own.shape[1] for own in each}
    if len(widths) != 1:
        raise ValueError(
            f"[{where}] {name} has sequences of {', '.join(map(str, sorted(widths)))} columns; all must "
            "have as many"
        )
    steps = max(len(own) for own in each)
    made = np.zeros((len(each), steps, widths.pop()), np.result_type(*each))
    for to, own in zip(made, each, strict=True):
        to[: len(own)] = own
    return made


def _numbers(where: str, name: str, value: Any, dimensions: int) -> npt.NDArray[Any]:
    """A new float32 or float64 array of so many dimensions."""
    array = _check.as_array(where, name, value)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"[{where}] {name} has dtype {array.dtype}; it must be of real numbers")
    if array.ndim != dimensions:
        raise ValueError(
            f"[{where}] {name} has shape {array.shape}; it must have {dimensions} dimensions"
        )
    return np.array(array, np.float64 if array.dtype == np.float64 else np.float32, order="C")


def grouped(
    where: str, name: str, rows: Split, ids: Any, at_end: bool, bounds: Limit | None
) -> Sequences:
    """Sequences of the rows that share an id; the ends of shorter ones are padded with zeros.

    Parameters
    ----------
    where, name : str
        The public function and the source, for messages.
    rows : Split
        Inputs and labels, or numbers to predict, of all rows.
    ids : ndarray, shape (rows,)
        Numbers or names.
    at_end : bool
        Whether the label of a sequence's last row is the target, at that step alone.
    bounds : Limit or None
        What the file may take in memory, with its padding.

    Raises
    ------
    ValueError
        An id is missing, or comes again after others; or there would be too much padding.
    """
    begins = np.flatnonzero(np.concatenate([[True], ids[1:] != ids[:-1]]))
    seen: set[Any] = set()
    for at in begins.tolist():
        own = ids[at]
        if own is None or own != own:
            raise ValueError(f"[{where}] {name}: row {at + 1} has no sequence; it must name one")
        if own in seen:
            raise ValueError(
                f"[{where}] {name}: row {at + 1} is of sequence {own!s}, which ended before; "
                "the rows of a sequence must follow each other"
            )
        seen.add(own)
    counts = np.diff(begins, append=len(ids))
    wide = rows.x.shape[1] + max(len(rows.class_names), 1)
    need = len(begins) * int(counts.max()) * wide * rows.x.itemsize
    if bounds is not None:
        bounds.check(need, f"{len(begins)} sequences, padded to {counts.max()} steps,")
    y = rows.labels[:, None]
    if not rows.is_regression:
        y = one_hot(rows.labels, len(rows.class_names), dtype=rows.x.dtype)
    x = np.split(rows.x, begins[1:])
    steps = np.split(y.astype(rows.x.dtype), begins[1:])
    return Sequences(
        _padded(where, "x", x),
        np.stack([each[-1] for each in steps]) if at_end else _padded(where, "y", steps),
        None if (counts == counts[0]).all() else counts,
        class_names=rows.class_names,
    )


def sequences_of_npz(bounds: Limit, like: Sequences | None = None) -> Sequences:
    """X and Y, and lengths and mask if they are there, of an .npz file.

    Labels mean what they mean in ``like``.

    Raises
    ------
    ValueError
        The file is damaged or too large, or the arrays don't go together.
    """
    names = ("lengths", "mask")
    x, y, lengths, mask = read_npz(bounds, *((name,) for name in SEQUENCES), optional=names)
    need = 8 * (x.size + y.size)
    if y.ndim == 1 and y.dtype.kind in "iu":
        need += 4 * len(y) * min(int(y.max(initial=0)) + 1, _MOST_CLASSES)
    bounds.check(need + x.nbytes + y.nbytes, f"X of shape {x.shape} and Y of shape {y.shape}")
    try:
        known = None if like is None else like.class_names or None
        return from_sequences(x, y, lengths=lengths, mask=mask, class_names=known)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"[{bounds.where}] {bounds.name}: {str(error).partition('] ')[2]}"
        ) from None
