"""How much memory a file may take: asked before anything is allocated."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any

from .. import _check

_LEAST = 1 << 28
_TIMES = 64  # a number of two characters is eight bytes while it is read; gzip makes digits a tenth


def path_of(where: str, name: str, path: Any) -> str:
    """The path as text.

    Raises
    ------
    TypeError, ValueError
        `path` is no path, or one that no file can have.
    """
    try:
        text = os.fspath(path)
    except TypeError:
        text = None
    if not isinstance(text, str):
        raise TypeError(f"[{where}] {name} was {path!r}; it must be a path")
    if not text or "\0" in text:
        raise ValueError(f"[{where}] {name} was {text!r}; it must be a path")
    return text


class Limit:
    """What reading one file may take.

    Attributes
    ----------
    where : str
        The public function, for the messages.
    name : str
        The file.
    size : int
        Its bytes on the disk.
    bytes : int
        Bytes of memory that its arrays may take, with what is kept beside them meanwhile: `limit`, or
        by default 256 MiB, or 64 times the file's size where that is more. So what is large may become
        large, and what is small may not become gigabytes unless somebody says so.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    TypeError, ValueError
        The path is no path, or that of a folder, a pipe or a device (which may have no end); or `limit`
        is no positive integer.
    """

    def __init__(self, where: str, path: Any, limit: int | None = None) -> None:
        self.where = where
        self.name = path_of(where, "path", path)
        if limit is not None:
            limit = _check.integer(where, "limit", limit, 1)
        self.size = _check.regular_file(where, self.name).st_size
        self.bytes = min(limit or max(_LEAST, _TIMES * self.size), sys.maxsize)

    def problem(self, need: int, what: str) -> str | None:
        """In words why `need` bytes for `what` are too much; None if they aren't."""
        if need <= self.bytes:
            return None
        return (
            f"{what} would take {need} bytes of memory; the limit is {self.bytes}, which a larger "
            "limit= raises"
        )

    def check(self, need: int, what: str) -> None:
        """Refuse to take `need` bytes for `what`, if that is too much, as a ValueError."""
        problem = self.problem(need, what)
        if problem:
            raise ValueError(f"[{self.where}] {self.name}: {problem}")

    @contextlib.contextmanager
    def memory(self) -> Iterator[None]:
        """Have a MemoryError name the file."""
        try:
            yield
        except MemoryError as error:
            raise MemoryError(
                f"[{self.where}] {self.name}: this machine has too little memory to read it"
                + (f" ({error})" if str(error) else "")
            ) from None
