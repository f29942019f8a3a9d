"""Lines of a text file, plain or gzip, in bounded memory, and the numbers in them."""

from __future__ import annotations

import contextlib
import gzip
import math
import re
import zlib
from collections.abc import Iterator
from typing import TextIO

import numpy as np

from .limit import Limit

LARGEST = float(np.finfo(np.float32).max)
_GZIP_MAGIC = b"\x1f\x8b"
_MOST_EMPTY = 1 << 20  # lines without a row in them, beyond as many as there are rows
_SPREAD = 32  # bytes that a character may take once its line is cut into fields
NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_NUMBER = re.compile(NUMBER)


def number(text: str) -> float | None:
    """The number that `text` says in decimal ASCII digits, such as -1.5e3; None if it says none.

    Python's float takes more: 1_000, other scripts' digits, nan, infinity.
    """
    stripped = text.strip()
    value = float(stripped) if _NUMBER.fullmatch(stripped) else math.nan
    return value if math.isfinite(value) else None


def single(text: str) -> float | None:
    """As `number`, of those that a float32 can hold."""
    value = number(text)
    return value if value is not None and abs(value) <= LARGEST else None


class Lines:
    """The lines that hold something, as (its place in the file, the text), each once.

    Attributes
    ----------
    at : int
        The place of the line that came last, from 1.
    """

    def __init__(self, file: TextIO, limit: Limit) -> None:
        self._file = file
        self._limit = limit
        self._longest = limit.bytes // _SPREAD
        self._empty = 0
        self.at = 0

    def __iter__(self) -> Iterator[tuple[int, str]]:
        while line := self._file.readline(self._longest + 1):
            self.at += 1
            if len(line) > self._longest:
                self._limit.check(
                    max(_SPREAD * len(line), self._limit.bytes + 1), f"line {self.at}"
                )
            if line.isspace():
                self.pass_over()
            else:
                yield self.at, line

    def pass_over(self) -> None:
        """Count the line that came last as one that holds nothing; refuse a file of such lines."""
        self._empty += 1
        if self._empty > _MOST_EMPTY + self.at - self._empty:
            raise ValueError(
                f"[{self._limit.where}] {self._limit.name} has {self._empty} empty lines in its first "
                f"{self.at}; it must hold rows"
            )


@contextlib.contextmanager
def open_lines(limit: Limit) -> Iterator[Lines]:
    """Open a text file, gzip or not by its first bytes; what is wrong with it is a ValueError.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        Its gzip data are damaged, it is not text, or a line takes more memory than it may.
    """
    place = f"[{limit.where}] {limit.name}"
    with open(limit.name, "rb") as raw:
        packed = raw.read(2) == _GZIP_MAGIC
    try:
        with (
            limit.memory(),
            (gzip.open if packed else open)(limit.name, "rt", encoding="utf-8-sig") as file,
        ):
            yield Lines(file, limit)
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise ValueError(f"{place} holds the byte {byte:02x}; it must be text") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{place} is gzip, but damaged: {error}") from None
