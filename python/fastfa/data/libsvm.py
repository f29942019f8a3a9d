"""LIBSVM's text format: a label, then ``index:value`` for what is not zero, an example a line."""

from __future__ import annotations

import os
import re
from array import array
from typing import Any, Literal

import numpy as np

from .. import _check
from .dataset import Split
from .limit import Limit
from .text import LARGEST, NUMBER, Lines, number, open_lines

_PAIR = re.compile(rf"([0-9]{{1,9}}):({NUMBER})")
_QUERY = re.compile(r"qid:[0-9]+")
_SAID = re.compile(r"Column indices are (zero|one)-based")  # by scikit-learn, in a comment
_MOST_FEATURES = 1 << 20
_PAIR_BYTES = 32  # of index, value and row, and the numbers by which they are put in their places


def read_libsvm(
    path: str | os.PathLike[str],
    features: int | None = None,
    first_label: int = 0,
    *,
    zero_based: bool | Literal["auto"] = "auto",
    limit: int | None = None,
) -> Split:
    """Read a LIBSVM file, plain or gzip, into a dense array.

    Indices rise along a line; what follows a ``#`` is a comment; ``qid:`` after the label is passed
    over.

    Parameters
    ----------
    path : str or path-like
        The file.
    features : int, optional
        Columns of x, such as 39 for the stop consonants of TIMIT. Default: as many as the largest index
        needs, which in a small file may fall short of what another file of the same set has.
    first_label : int
        What the file calls class 0: mostly 0 or 1. It is subtracted from the labels. Where it is 0 and
        the file's labels are -1 and 1, these become 0 and 1.
    zero_based : bool or "auto"
        Whether the first column has index 0, as in what scikit-learn writes by default, or 1, as in
        LIBSVM's own files. ``"auto"`` has scikit-learn's meaning: 0 if there is an index 0 anywhere in
        the file, else 1. Where scikit-learn wrote in a comment which it is, that counts. A file whose
        first column is zero throughout does not tell: then say it, and say it for files that belong
        together.
    limit : int, optional
        Bytes of memory that the file may take. Default: 256 MiB, or 64 times its size if that is more.

    Returns
    -------
    Split
        ``x`` is float32 (N, features), ``labels`` int64 (N,).

    Raises
    ------
    FileNotFoundError
        There is no such file.
    TypeError, ValueError
        A line is not of this format, a value is not finite, an index does not rise or is out of range,
        a label is no whole number from `first_label`, there are no examples, the array would take more
        than `limit`, or an argument is wrong. The message names the file and the line.
    """
    where = "read_libsvm"
    if features is not None:
        features = _check.integer(where, "features", features, 1, 2**31 - 1)
    first_label = _check.integer(where, "first_label", first_label, -(10**6), 10**6)
    if not isinstance(zero_based, bool | np.bool_) and zero_based != "auto":
        raise ValueError(
            f'[{where}] zero_based was {zero_based!r}; it must be True, False or "auto"'
        )
    bounds = Limit(where, path, limit)
    with open_lines(bounds) as lines:
        x, labels = _Reader(bounds, features, first_label, zero_based).read(lines)
    return Split(x, labels, (1, 1, x.shape[1]))


def read_pairs(limit: Limit, features: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """What a LIBSVM file holds: x as by `read_libsvm`, and its labels, any numbers, float64."""
    with open_lines(limit) as lines:
        return _Reader(limit, features, None, "auto").read(lines)


class _Reader:
    """What has been read of a file so far. Without a first label, labels are any numbers."""

    def __init__(
        self, limit: Limit, features: int | None, first_label: int | None, zero_based: bool | str
    ) -> None:
        self.limit = limit
        self.features = features
        self.first_label = first_label
        self.zero_based = zero_based
        self.largest = 0  # of the indices, and the line that had it
        self.largest_at = 0
        self.zero = False  # whether there was an index 0
        self.labels: array[Any] = array("d" if first_label is None else "q")
        self.ends = array("q")  # of each example, among the pairs
        self.indices = array("q")
        self.values = array("f")

    def read(self, lines: Lines) -> tuple[np.ndarray, np.ndarray]:
        for at, line in lines:
            text, _, comment = line.partition("#")
            fields = text.split()
            if not fields:
                said = _SAID.search(comment)
                if said and self.zero_based == "auto" and not self.labels:
                    self.zero_based = said[1] == "zero"
                lines.pass_over()
                continue
            self._add(f"[{self.limit.where}] {self.limit.name}: line {at}", at, fields)
            self._check_size()
        return self._dense()

    def _add(self, place: str, at: int, fields: list[str]) -> None:
        """Take one line."""
        low = 1 if self.zero_based is False else 0
        high = _MOST_FEATURES if self.features is None else self.features
        high -= self.zero_based is True
        pairs = fields[2:] if len(fields) > 1 and _QUERY.fullmatch(fields[1]) else fields[1:]
        low_said = 0 if self.zero_based is True else 1
        before = low - 1
        add_index, add_value = self.indices.append, self.values.append
        for text in pairs:
            match = _PAIR.fullmatch(text)
            if match is None or not abs(value := float(match[2])) <= LARGEST:
                raise ValueError(f"{place} has {text[:40]!r}; it must be index:value")
            index = int(match[1])
            if not before < index <= high:
                raise ValueError(
                    f"{place} has index {index}; it must be from {max(before + 1, low_said)} to {high}"
                    + (", or zero_based must be True" if index == 0 and before == 0 else "")
                )
            before = index
            add_index(index)
            add_value(value)
        if pairs:
            self.zero = self.zero or int(pairs[0].partition(":")[0]) == 0
            if before > self.largest:
                self.largest, self.largest_at = before, at
        self.ends.append(len(self.indices))
        self.labels.append(self._label(place, fields[0]))

    def _label(self, place: str, text: str) -> float:
        value, first = number(text), self.first_label
        if first is None:
            if value is None:
                raise ValueError(f"{place} has label {text[:40]!r}; it must be a number")
            return value
        negative = value == -1 and first == 0  # looked at again when all are known
        if value is None or value != int(value) or not (negative or first <= value < first + 10**6):
            raise ValueError(
                f"{place} has label {text[:40]!r}; it must be a whole number from {first}"
            )
        return int(value) - first

    def _check_size(self) -> None:
        count, width = len(self.labels), self.features or max(self.largest, 1)
        need = 4 * count * width + _PAIR_BYTES * len(self.indices) + 24 * count
        if need > self.limit.bytes:
            self.limit.check(need, f"{count} examples or more of {width} features")

    def _dense(self) -> tuple[np.ndarray, np.ndarray]:
        place = f"[{self.limit.where}] {self.limit.name}"
        if not self.labels:
            raise ValueError(f"{place} holds no examples; it must hold at least one")
        labels = np.array(self.labels)
        if self.first_label is not None and labels.min() < 0:  # of -1 and 1
            odd = labels[np.abs(labels) != 1]
            if odd.size:
                raise ValueError(
                    f"{place} has labels -1 and {odd[0]}; they must be from 0, or -1 and 1"
                )
            labels = (labels + 1) // 2
        zero_based = self.zero if self.zero_based == "auto" else bool(self.zero_based)
        width = self.largest + zero_based if self.features is None else self.features
        if self.largest + zero_based > width:
            raise ValueError(
                f"{place}: line {self.largest_at} has index {self.largest}, and another line index 0; "
                f"with {width} features, indices must be from 0 to {width - 1} or from 1 to {width}"
            )
        x = np.zeros((len(labels), max(width, 1)), np.float32)
        ends = np.frombuffer(self.ends, np.int64)
        counts = ends - np.concatenate([[0], ends[:-1]])
        rows = np.repeat(np.arange(len(labels)), counts)
        x[rows, np.array(self.indices, np.int64) - (not zero_based)] = self.values
        return x, labels
