"""Text files that hold a table of numbers, one row a line: what .amat and .csv have in common."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import os
import zlib
from collections.abc import Iterator
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt

from .load import Split

_GZIP_MAGIC = b"\x1f\x8b"
_LARGEST = float(np.finfo(np.float32).max)


@contextlib.contextmanager
def open_text(where: str, path: str | os.PathLike[str]) -> Iterator[TextIO]:
    """Open a text file, gzip or not by its first bytes; what is wrong with it is a ValueError.

    Parameters
    ----------
    where : str
        The public function, for the messages.
    path : str or path-like
        The file. A folder or a pipe is refused, as nothing that can be read to its end.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        It is no regular file, its gzip data are damaged, or it is not text.
    """
    name = os.fspath(path)
    if os.path.exists(name) and not os.path.isfile(name):
        raise ValueError(f"[{where}] {name} is not a regular file; it must be one")
    with open(name, "rb") as raw:
        packed = raw.read(2) == _GZIP_MAGIC
    try:
        with (gzip.open if packed else open)(name, "rt", encoding="utf-8-sig") as file:
            yield file  # type: ignore[misc]
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise ValueError(f"[{where}] {name} holds the byte {byte:02x}; it must be text") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"[{where}] {name} is gzip, but damaged: {error}") from None


def read_table(
    where: str, path: str | os.PathLike[str], delimiter: str | None, columns: int | None = None
) -> npt.NDArray[np.float32]:
    """All numbers of a text file, each line a row of as many.

    Parameters
    ----------
    where : str
        The public function, for the messages.
    path : str or path-like
        The file, plain or gzip. Empty lines are passed over, and so is a first line in which no
        field is a number, as a header.
    delimiter : str or None
        Between the fields; None for any white space.
    columns : int, optional
        How many a line must have. Default: as many as the first has.

    Returns
    -------
    ndarray, shape (rows, columns), float32
        Rounded from what the text says.

    Raises
    ------
    ValueError
        A line has another number of fields, a field is no finite number, or there is no line.
    """
    name = os.fspath(path)
    with open_text(where, path) as file:
        first = next((line for line in file if line.strip()), "")
        fields = [text.strip() for text in first.strip("\n").split(delimiter)]
        header = bool(first) and not any(_is_number(text) for text in fields)
        wanted = len(fields) if columns is None else columns
        if header and len(fields) != wanted:
            raise ValueError(
                f"[{where}] {name}: its first line has {len(fields)} words; it must have {wanted}"
            )
        lines = _Counted(file if header else itertools.chain([first], file))
        blocks = []
        while True:
            block = list(itertools.islice(lines, 1024))
            if not block:
                break
            blocks.append(_parse(where, name, block, delimiter, wanted))
    if not blocks:
        raise ValueError(f"[{where}] {name} holds no numbers; it must hold at least one line")
    return np.concatenate(blocks)


class _Counted:
    """Lines with their place among those that are not empty, for the messages."""

    def __init__(self, lines: Any) -> None:
        self._lines = iter(lines)
        self._at = 0

    def __iter__(self) -> _Counted:
        return self

    def __next__(self) -> tuple[int, str]:
        for line in self._lines:
            if line.strip():
                self._at += 1
                return self._at, line
        raise StopIteration


def _parse(
    where: str, name: str, block: list[tuple[int, str]], delimiter: str | None, columns: int
) -> npt.NDArray[np.float32]:
    """The numbers of some lines; the first line that is wrong is looked for only if one is."""
    try:
        rows = np.loadtxt(
            [line for _, line in block], np.float32, delimiter=delimiter, comments=None, ndmin=2
        )
        if rows.shape[1] == columns and np.isfinite(rows).all():
            return rows
    except ValueError:
        pass
    for at, line in block:
        place = f"[{where}] {name}: row {at}"
        fields = line.strip("\n").split(delimiter)
        if len(fields) != columns:
            raise ValueError(f"{place} has {len(fields)} fields; it must have {columns}")
        for column, text in enumerate(fields, 1):
            if not _is_number(text) or not abs(float(text)) <= _LARGEST:
                raise ValueError(
                    f"{place}, field {column} is {text.strip()[:40]!r}; it must be a finite number"
                )
    raise ValueError(f"[{where}] {name}: rows {block[0][0]} to {block[-1][0]} cannot be read")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text  # which Python takes between digits, and a data file does not


def split_of(
    where: str,
    path: str | os.PathLike[str],
    x: npt.NDArray[np.float32],
    labels: npt.NDArray[np.float32],
    image_shape: tuple[int, int, int],
) -> Split:
    """The examples and labels of a table, the labels having been found to be whole numbers."""
    wrong = (labels != np.floor(labels)) | (labels < 0) | (labels > 1e6)
    if wrong.any():
        at = int(np.argmax(wrong))
        raise ValueError(
            f"[{where}] {os.fspath(path)}: the label in row {at + 1} is {labels[at]:g}; "
            "it must be a whole number from 0"
        )
    return Split(np.ascontiguousarray(x), labels.astype(np.int64), image_shape)
