"""The bytes of a plain or gzip file, in bounded memory, with strict ends."""

from __future__ import annotations

import contextlib
import os
import stat
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from .limit import path_of

CHUNK = 1 << 16  # bytes moved at a time
_GZIP_MAGIC = b"\x1f\x8b"
_MOST_EXPANSION = 1032  # deflate's best: two bits that stand for 258 bytes


class IdxError(ValueError):
    """A file that is not the IDX file it should be.

    Attributes
    ----------
    path : str
        The file.
    byte : int
        Where in the IDX data the problem is; in a gzip file this counts decompressed bytes.
    problem : str
        What is wrong there.
    """

    def __init__(self, path: str | os.PathLike[str], byte: int, problem: str) -> None:
        super().__init__(os.fspath(path), byte, problem)
        self.path = os.fspath(path)
        self.byte = byte
        self.problem = problem

    def __str__(self) -> str:
        return f"[read_idx] {self.path}: byte {self.byte}: {self.problem}"


class PlainSource:
    """The bytes of a file as they are."""

    compressed = False

    def __init__(self, file: BinaryIO, path: str) -> None:
        self._file = file
        self.path = path
        self.file_size = os.fstat(file.fileno()).st_size
        self.most = self.file_size  # bytes that can come out

    def read(self, limit: int) -> bytes:
        """Between 1 and `limit` bytes, or none at the end."""
        return self._file.read(limit)


class GzipSource:
    """The decompressed bytes of a gzip file, one member or several (RFC 1952).

    Not the standard library's GzipFile, which passes over zero padding after a member and
    does not say at which byte it found something wrong.
    """

    compressed = True

    def __init__(self, file: BinaryIO, path: str) -> None:
        self._file = file
        self.path = path
        self.file_size = os.fstat(file.fileno()).st_size
        self.most = _MOST_EXPANSION * self.file_size
        self._given = 0  # decompressed bytes handed out
        self._pending = b""  # bytes of the file that the decompressor has not taken yet
        self._member = zlib.decompressobj(wbits=31)  # 31: a gzip header, and its CRC is checked

    def read(self, limit: int) -> bytes:
        """Between 1 and `limit` bytes, or none at the end of the last member."""
        while True:
            if self._member.eof and not self._next_member():
                return b""
            self._refill(1)
            try:
                out = self._member.decompress(self._pending, limit)
            except zlib.error as error:
                raise self._error(
                    f"at or after this byte the gzip data are broken ({error})"
                ) from None
            stuck = not self._pending and not out and not self._member.eof
            self._pending = self._member.unused_data or self._member.unconsumed_tail
            if stuck:
                raise self._error("from here on the gzip data are missing")
            if out:
                self._given += len(out)
                return out

    def _next_member(self) -> bool:
        self._refill(2)
        if not self._pending:
            return False
        if not self._pending.startswith(_GZIP_MAGIC):
            raise self._error("bytes are left over after the gzip data")
        self._member = zlib.decompressobj(wbits=31)
        return True

    def _refill(self, least: int) -> None:
        if len(self._pending) < least:
            self._pending += self._file.read(CHUNK)

    def _error(self, problem: str) -> IdxError:
        return IdxError(self.path, self._given, problem)


Source = PlainSource | GzipSource


@contextlib.contextmanager
def open_source(path: str | os.PathLike[str]) -> Iterator[Source]:
    """Open a file, gzip or not by its first two bytes, whatever its name says.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    IdxError
        `path` is a folder, a pipe or a device. (Opening a pipe could wait for ever.)
    """
    name = path_of("read_idx", "path", path)
    mode = os.stat(name).st_mode
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "not a regular file"
        raise IdxError(name, 0, f"this is {kind}; it must be an IDX file")
    with open(name, "rb") as file:
        start = file.read(2)
        file.seek(0)
        yield (GzipSource if start == _GZIP_MAGIC else PlainSource)(file, name)
