"""Arrays of numbers in a MATLAB file of version 5, read as a stream: no variable is held as a whole.

The MathWorks, "MAT-File Format", chapter 1: a header of 128 bytes, then elements, each a tag of type
and size and its bytes. A variable is an element of type 14 whose parts are elements again: flags,
dimensions, name, numbers. It may be packed by zlib, as the content of an element of type 15.
"""

from __future__ import annotations

import math
import os
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import numpy as np

from .limit import Limit

_MATRIX, _PACKED = 14, 15
_TYPES = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
}
_CLASSES = (
    "",
    "cell",
    "struct",
    "object",
    "char",
    "sparse",
    "double",
    "single",
    "int8",
    "uint8",
    "int16",
)
_CLASSES += ("uint16", "int32", "uint32", "int64", "uint64")
_NUMBERS = _CLASSES.index("double")  # from which on classes hold numbers
_CHUNK = 1 << 16
_LONGEST = 1 << 12  # bytes of a variable's dimensions or name


class Damaged(Exception):
    """What is wrong with the file, in words."""


class Variable(NamedTuple):
    """A variable whose numbers come next in its source."""

    name: str
    shape: tuple[int, ...]
    kind: str  # MATLAB's class; what the numbers are stored as is in dtype
    dtype: np.dtype
    source: _Source

    def numbers(self, count: int) -> np.ndarray:
        """The next `count` numbers, the first dimension running fastest."""
        return np.frombuffer(self.source.take(count * self.dtype.itemsize), self.dtype)

    def close(self) -> None:
        """Hold the end of the variable against what its tag says, once all numbers are taken."""
        self.source.finish()


class _Source:
    """The bytes of one top-level element, unpacked where they are packed."""

    def __init__(self, file: BinaryIO, size: int, packed: bool) -> None:
        self._file = file
        self._left = size  # of the file's bytes
        self._packed = zlib.decompressobj() if packed else None
        self._ready = b""
        self.taken = 0

    def take(self, count: int) -> bytes:
        """Exactly `count` bytes, which the caller has found to be few."""
        parts = []
        while count:
            if not self._ready:
                self._ready = self._more()
                if not self._ready:
                    raise Damaged(f"{count} bytes of a variable are missing")
            parts.append(self._ready[:count])
            self._ready = self._ready[count:]
            count -= len(parts[-1])
            self.taken += len(parts[-1])
        return b"".join(parts)

    def _more(self) -> bytes:
        """Some bytes; none at the end."""
        while self._packed is None or not self._packed.eof:
            tail = b"" if self._packed is None else self._packed.unconsumed_tail
            data = tail or self._file.read(min(_CHUNK, self._left))
            if not tail:
                self._left -= len(data)
            if self._packed is None:
                return data
            try:
                out = self._packed.decompress(data, _CHUNK)
            except zlib.error as error:
                raise Damaged(f"its zlib data are broken: {error}") from None
            if out or not data:
                return out
        return b""

    def finish(self) -> None:
        """The padding to eight bytes, then the end of the zlib data and its check sum."""
        if self._packed is not None:
            self.take(-self.taken % 8)
            if self._ready or self._more() or not self._packed.eof:
                raise Damaged("a variable is longer or shorter than it says")


def variables(limit: Limit) -> Iterator[Variable]:
    """The variables of a file, each to be read before the next is asked for.

    Raises
    ------
    Damaged
        The file is none of version 5, or damaged.
    """
    with open(limit.name, "rb") as file:
        head = file.read(128)
        order = {b"IM": "<", b"MI": ">"}.get(head[126:])
        if head.startswith(b"MATLAB 7.3"):
            raise Damaged("it is of version 7.3; save it with -v7")
        if order is None or struct.unpack(f"{order}H", head[124:126])[0] != 0x0100:
            raise Damaged("it has no header of MATLAB")
        at = 128
        while tag := file.read(8):
            if len(tag) < 8:
                raise Damaged("it ends within a tag")
            code, size = struct.unpack(f"{order}II", tag)
            at += 8 + size
            if at > limit.size:
                raise Damaged(f"{at - limit.size} bytes are missing at its end")
            if code in (_MATRIX, _PACKED):
                source = _Source(file, size, code == _PACKED)
                if code == _PACKED and struct.unpack(f"{order}II", source.take(8))[0] != _MATRIX:
                    raise Damaged("an element holds no variable")
                variable = _variable(source, order)
                if variable is not None:
                    yield variable
            file.seek(at, os.SEEK_SET)


def _variable(source: _Source, order: str) -> Variable | None:
    """A variable up to its numbers; None if it is of no class that has dimensions and a name."""
    flags = struct.unpack(f"{order}II", _part(source, order, {6}, 8))[0]
    number = flags & 0xFF
    if not 0 < number < len(_CLASSES):
        return None
    sizes = _part(source, order, {5})
    shape = struct.unpack(f"{order}{len(sizes) // 4}i", sizes[: len(sizes) // 4 * 4])
    name = _part(source, order, {1, 16}).decode("latin-1")
    kind = ("complex " if flags & 0x0800 else "") + _CLASSES[number]
    if len(sizes) % 4 or len(shape) < 2 or min(shape) < 0:
        raise Damaged(f"{name} has dimensions {shape}")
    if number < _NUMBERS:
        return Variable(name, shape, kind, np.dtype("V1"), source)
    code, size, small = _tag(source, order)
    if code not in _TYPES or size != math.prod(shape) * np.dtype(_TYPES[code]).itemsize:
        raise Damaged(f"{name}, {kind} {shape}, has {size} bytes of type {code}")
    if small:
        source = _Small(source.take(4)[:size], source)
    return Variable(name, shape, kind, np.dtype(order + _TYPES[code]), source)


class _Small(_Source):
    """The numbers of an element so small that they are in its tag."""

    def __init__(self, data: bytes, outer: _Source) -> None:
        self._ready = data
        self._outer = outer
        self.taken = 0

    def _more(self) -> bytes:
        return b""

    def finish(self) -> None:
        self._outer.finish()


def _tag(source: _Source, order: str) -> tuple[int, int, bool]:
    """Type and size of the next part, and whether it is in the short form."""
    (word,) = struct.unpack(f"{order}I", source.take(4))
    if word >> 16:
        return word & 0xFFFF, min(word >> 16, 4), True
    return word, struct.unpack(f"{order}I", source.take(4))[0], False


def _part(source: _Source, order: str, types: set[int], exactly: int | None = None) -> bytes:
    """The bytes of a small part of a variable."""
    code, size, small = _tag(source, order)
    if code not in types or size > _LONGEST or (exactly is not None and size != exactly):
        raise Damaged(f"a part of a variable has type {code} and {size} bytes")
    padded = 4 if small else size + -size % 8
    return source.take(padded)[:size]
