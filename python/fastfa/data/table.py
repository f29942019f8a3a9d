"""Text files that hold a table of numbers, one row a line: what .amat and .csv have in common."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .dataset import Split
from .limit import Limit
from .text import LARGEST, Lines, open_lines, single

_BLOCK = 1 << 20  # characters that are parsed at once
_QUOTED = re.compile(r'(?:"[^",\n]*"|[^",\n]*)(?:,(?:"[^",\n]*"|[^",\n]*))*\n?')

Row = tuple[int, str]  # which of the lines that hold something, from 1; its text
First = Callable[[list[str]], tuple[bool, int]]


class Table(NamedTuple):
    """The numbers of a file. x: (rows, columns - 1), float32. labels: (rows,), float64."""

    x: npt.NDArray[np.float32]
    labels: npt.NDArray[np.float64]


def read_table(limit: Limit, delimiter: str | None, first: First) -> Table:
    """All numbers of a text file, each line a row of as many.

    Parameters
    ----------
    limit : Limit
        The file, plain or gzip. Empty lines are passed over.
    delimiter : str or None
        Between the fields, which may then be in quotes; None for any white space.
    first : callable
        Is given the fields of the first line. Answers whether they are a header, and which column
        (from 0) holds the labels; refuses what cannot be so.

    Raises
    ------
    ValueError
        A line has another number of fields, a field is no finite number, there is no line, or the table
        would take more memory than it may.
    """
    place = f"[{limit.where}] {limit.name}"
    xs: list[npt.NDArray[np.float32]] = []
    labels: list[npt.NDArray[np.float64]] = []
    with open_lines(limit) as lines:
        opening = next(iter(lines), None)
        if opening is not None:
            fields = _fields(place, (1, opening[1]), delimiter)
            header, label = first(fields)
            rows = 0
            for block in _blocks(lines, [] if header else [opening[1]], header):
                rows += len(block)
                # Of each row the numbers as read, and the block and the whole that they end up in.
                limit.check(
                    rows * (8 * len(fields) + 16), f"{rows} rows or more of {len(fields)} columns"
                )
                values = _parse(place, block, delimiter, len(fields))
                labels.append(values[:, label].copy())
                last = label == len(fields) - 1
                features = values[:, :-1] if last else np.delete(values, label, axis=1)
                xs.append(features.astype(np.float32))
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


def _parse(
    place: str, block: list[Row], delimiter: str | None, columns: int
) -> npt.NDArray[np.float64]:
    """The numbers of some lines, quickly if nothing is wrong with them."""
    texts = [text for _, text in block]
    if delimiter is not None:
        texts = [_unquoted(text) if '"' in text else text for text in texts]
    try:
        # NumPy takes what `number` takes, and nan and inf, which the comparison refuses.
        rows = np.loadtxt(texts, np.float64, delimiter=delimiter, comments=None, ndmin=2)
        if rows.shape == (len(block), columns) and (np.abs(rows) <= LARGEST).all():
            return rows
    except ValueError:
        pass  # found again below, where it is told
    return np.array(list(_slowly(place, block, delimiter, columns)))


def _unquoted(text: str) -> str:
    """A line without quotes, if they are around whole fields that hold no commas; else as it is."""
    return text.replace('"', "") if _QUOTED.fullmatch(text) else text


def _slowly(
    place: str, block: Iterable[Row], delimiter: str | None, columns: int
) -> Iterator[npt.NDArray[np.float64]]:
    """The numbers of some lines, field by field; the first that is wrong is told."""
    for row in block:
        fields = _fields(place, row, delimiter)
        if len(fields) != columns:
            raise ValueError(
                f"{place}: row {row[0]} has {len(fields)} fields; it must have {columns}"
            )
        values = [single(text) for text in fields]
        if None in values:
            column = values.index(None)
            missing = is_missing(fields[column])
            raise ValueError(
                f"{place}: row {row[0]}, field {column + 1} is {fields[column][:40]!r}; "
                "it must be a finite number"
                + (" (fill in what is missing, or leave its rows out)" if missing else "")
            )
        yield np.array(values, np.float64)


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
