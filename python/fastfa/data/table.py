"""Text files that hold a table of numbers, one row a line: what .amat and .csv have in common."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .dataset import Split
from .limit import Limit
from .text import LARGEST, Lines, number, open_lines, single

_BLOCK = 1 << 20  # characters that are parsed at once
_TEXT = 128  # bytes that a label takes as text, if it is short
DELIMITERS = (",", ";", "\t")
_QUOTED = {
    mark: re.compile(
        rf'(?:"[^"{mark}\n]*"|[^"{mark}\n]*)(?:{mark}(?:"[^"{mark}\n]*"|[^"{mark}\n]*))*\n?'
    )
    for mark in DELIMITERS
}

Row = tuple[int, str]  # which of the lines that hold something, from 1; its text


class Layout(NamedTuple):
    """What the first line decides: whether it is a header, and which columns (from 0) are what."""

    header: bool
    label: int
    ignored: tuple[int, ...] = ()


First = Callable[[list[str]], Layout]


class Table(NamedTuple):
    """The numbers of a file. x: (rows, features). labels: (rows,), float64, or text."""

    x: npt.NDArray[Any]
    labels: npt.NDArray[Any]


class TextLabels(ValueError):
    """The column of labels holds text, in this row first: wrong where labels must be numbers."""


def read_table(
    limit: Limit,
    delimiter: str | None,
    first: First,
    *,
    dtype: Any = np.float32,
    text_labels: bool = False,
) -> Table:
    """All numbers of a text file, each line a row of as many.

    Parameters
    ----------
    limit : Limit
        The file, plain or gzip. Empty lines are passed over.
    delimiter : str or None
        Between the fields, which may then be in quotes; None for any white space, ``""`` for a comma,
        or where the first line has none, a semicolon or a tab.
    first : callable
        Is given the fields of the first line. Answers whether they are a header, and which column
        (from 0) holds the labels; refuses what cannot be so.
    dtype : dtype
        Of the features.
    text_labels : bool
        Whether the labels are kept as text.

    Raises
    ------
    TextLabels
        A label is no number, but text, and `text_labels` is False.
    ValueError
        A line has another number of fields, a field is no finite number, there is no line, or the table
        would take more memory than it may.
    """
    place = f"[{limit.where}] {limit.name}"
    xs: list[npt.NDArray[Any]] = []
    labels: list[npt.NDArray[Any]] = []
    size = np.dtype(dtype).itemsize
    with open_lines(limit) as lines:
        opening = next(iter(lines), None)
        if opening is not None:
            delimiter = _delimiter(opening[1]) if delimiter == "" else delimiter
            fields = _fields(place, (1, opening[1]), delimiter)
            layout = first(fields)
            named = fields if layout.header else None
            columns = _Columns(delimiter, len(fields), layout, named, text_labels)
            rows = 0
            for block in _blocks(lines, [] if layout.header else [opening[1]], layout.header):
                rows += len(block)
                # Of each row the numbers as read, and the block and the whole that they end up in.
                limit.check(
                    rows * (2 * size * len(fields) + (_TEXT if text_labels else 16)),
                    f"{rows} rows or more of {len(fields)} columns",
                )
                values, answers = columns.parse(place, block)
                labels.append(answers)
                xs.append(values.astype(dtype))
    if not xs:
        raise ValueError(f"{place} holds no numbers; it must hold at least one line")
    with limit.memory():
        return Table(np.concatenate(xs), np.concatenate(labels))


def _blocks(lines: Lines, start: list[str], header: bool) -> Iterator[list[Row]]:
    """The rows, so many at a time as make up some text."""
    block: list[Row] = []
    size = 0
    texts = itertools.chain(start, (text for _, text in lines))
    for at, text in enumerate(texts, 1):
        block.append((at, text))
        size += len(text)
        if size >= _BLOCK:
            yield block
            block, size = [], 0
    if block:
        yield block


def _delimiter(text: str) -> str:
    """What stands between the fields of a line."""
    plain = re.sub(r'"[^"]*"', "", text)
    return next((mark for mark in DELIMITERS if mark in plain), ",")


def _fields(place: str, row: Row, delimiter: str | None) -> list[str]:
    at, text = row
    if delimiter is None:
        return text.split()
    if '"' not in text:
        return [field.strip() for field in text.split(delimiter)]
    try:
        read = csv.reader([text], delimiter=delimiter, skipinitialspace=True, strict=True)
        return [field.strip() for field in next(read)]
    except csv.Error as error:
        raise ValueError(f"{place}: row {at} has quotes that do not match ({error})") from None


class _Columns(NamedTuple):
    """How rows become features and labels."""

    delimiter: str | None
    width: int
    layout: Layout
    names: list[str] | None
    text_labels: bool

    def parse(
        self, place: str, block: list[Row]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[Any]]:
        """The features and labels of some lines, quickly if nothing is wrong with them."""
        label, count = self.layout.label, self.width
        if self.text_labels or self.layout.ignored:
            return self._chosen(place, block)
        texts = [text for _, text in block]
        if self.delimiter is not None:
            texts = [_unquoted(text, self.delimiter) if '"' in text else text for text in texts]
        values = _numbers(texts, self.delimiter, count)
        if values is None:  # what is wrong is told
            values = np.array([self._row(place, row, range(count)) for row in block])
        features = values[:, :-1] if label == count - 1 else np.delete(values, label, axis=1)
        return features, values[:, label].copy()

    def _chosen(
        self, place: str, block: list[Row]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[Any]]:
        """The same of some columns only, whose others may hold anything."""
        label, ignored = self.layout.label, self.layout.ignored
        taken = [at for at in range(self.width) if at != label and at not in ignored]
        rows = [self._cut(place, row) for row in block]
        texts = [",".join(row[at] for at in taken) for row in rows]
        values = None if "" in texts else _numbers(texts, ",", len(taken))
        if values is None:
            values = np.array([self._row(place, row, taken) for row in block])
        if not self.text_labels:
            return values, np.array([self._row(place, row, [label])[0] for row in block])
        for (at, _), row in zip(block, rows, strict=True):
            if is_missing(row[label]):
                raise self._problem(place, at, label, row[label], "a name")
        return values, np.array([row[label] for row in rows], object)

    def _cut(self, place: str, row: Row) -> list[str]:
        fields = _fields(place, row, self.delimiter)
        if len(fields) != self.width:
            raise ValueError(
                f"{place}: row {row[0]} has {len(fields)} fields; it must have {self.width}"
            )
        return fields

    def _row(self, place: str, row: Row, taken: Iterable[int]) -> list[float]:
        """The numbers in these fields of a line; the first that is wrong is told."""
        fields = self._cut(place, row)
        values = []
        for column in taken:
            value = single(fields[column])
            if value is None:
                text = fields[column]
                problem = self._problem(place, row[0], column, text, "a finite number")
                if column == self.layout.label and not is_missing(text) and number(text) is None:
                    raise TextLabels(str(problem))
                raise problem
            values.append(value)
        return values

    def _problem(self, place: str, at: int, column: int, text: str, must: str) -> ValueError:
        named = "" if self.names is None else f" (column {self.names[column][:40]!r})"
        more = " (fill in what is missing, or leave its rows out)" if is_missing(text) else named
        return ValueError(
            f"{place}: row {at}, field {column + 1} is {text[:40]!r}; it must be {must}{more}"
        )


def _numbers(
    texts: list[str], delimiter: str | None, columns: int
) -> npt.NDArray[np.float64] | None:
    """The numbers of some lines; None if anything is wrong with one."""
    try:
        # NumPy takes what `number` takes, and nan and inf, which the comparison refuses.
        rows = np.loadtxt(texts, np.float64, delimiter=delimiter, comments=None, ndmin=2)
    except ValueError:
        return None
    right = rows.shape == (len(texts), columns) and (np.abs(rows) <= LARGEST).all()
    return rows if right else None


def _unquoted(text: str, delimiter: str) -> str:
    """A line without quotes, if they are around whole fields that hold no delimiters; else as it is."""
    return text.replace('"', "") if _QUOTED[delimiter].fullmatch(text) else text


_MISSING = {
    *("?", ".", "-", "--", "na", "n/a", "#n/a", "<na>", "nan", "-nan", "null", "nil", "none"),
    *("missing", "inf", "-inf", "infinity"),
}


def is_missing(text: str) -> bool:
    """Whether a field says in one of the usual ways that its value is not there."""
    return not text.strip() or text.strip().lower() in _MISSING


def split_of(limit: Limit, table: Table, first_label: int, shape: tuple[int, int, int]) -> Split:
    """The examples and labels of a table, the labels having been found to be whole numbers."""
    labels = table.labels - first_label
    wrong = (labels != np.floor(labels)) | (labels < 0) | (labels > 1e6)
    if wrong.any():
        at = int(np.argmax(wrong))
        raise ValueError(
            f"[{limit.where}] {limit.name}: the label in row {at + 1} is {table.labels[at]:.15g}; "
            f"it must be a whole number from {first_label}"
        )
    return Split(table.x, labels.astype(np.int64), shape)
