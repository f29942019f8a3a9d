"""What a MATLAB file says that it holds, looked at in little memory before SciPy reads its numbers.

SciPy takes as much memory as a size in the file says, and unpacks zlib data up to a thousandfold. So
each size is first held against what is there.
"""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

from .limit import Limit

_CHUNK = 1 << 16
START = 1 << 12  # bytes of a variable that hold its flags, dimensions and name
_NUMBERS = {1, 2, 3, 4, 5, 6, 7, 9, 12, 13}  # types of elements; of others SciPy may crash
_BLOCK = 1032 << 17  # bytes that SciPy may unpack at a time: 128 KiB by zlib's largest ratio


def unpacking(size: int) -> int:
    """Bytes that SciPy may take to unpack a variable of `size`: zlib's pieces, and them joined."""
    return 3 * min(size, _BLOCK)


def call_scipy(file: Limit, function: str, source: Any, **options: Any) -> Any:
    """Call a function of scipy.io; whatever it thinks of the file becomes a ValueError."""
    try:
        import scipy.io
    except ImportError as error:
        raise ImportError(
            f"[{file.where}] SciPy is not installed; get it with: pip install 'fastfa[svhn]'"
        ) from error
    try:
        with file.memory():
            return getattr(scipy.io, function)(source, **options)
    except MemoryError:
        raise
    except Exception as error:  # of a damaged file SciPy raises nearly anything
        raise _damaged(file, error) from error


def _damaged(file: Limit, error: Exception) -> ValueError:
    problem = " ".join(str(error).split())[:200] or type(error).__name__
    return ValueError(
        f"[{file.where}] {file.name} cannot be read ({problem}); "
        "it must be a MATLAB file, version 5 to 7"
    )


def variables(file: Limit) -> Iterator[tuple[str, tuple[int, ...], str, int]]:
    """Name, shape, MATLAB's class and bytes of each variable, from its start alone.

    Raises
    ------
    ImportError
        SciPy is not installed.
    ValueError
        The file is not of MATLAB, damaged, or a variable would take more than `limit`. The message names
        the file.
    """
    with open(file.name, "rb") as raw:
        header = raw.read(128)
        call_scipy(file, "whosmat", io.BytesIO(header))
        order = "<II" if header[126:] == b"IM" else ">II"
        try:
            while tag := raw.read(8):
                start, size = _start(file, raw, tag, order)
                _check_parts(start, size, order)
                held = call_scipy(file, "whosmat", io.BytesIO(header + start))
                if len(held) != 1:
                    raise EOFError("an element ends before its variable")
                name, shape, kind = held[0]
                kind = f"complex {kind}" if _flags(start, order)[1] else kind
                yield name, tuple(int(length) for length in shape), kind, size
        except (struct.error, zlib.error, EOFError) as error:
            raise _damaged(file, error) from error


def _start(file: Limit, raw: BinaryIO, tag: bytes, order: str) -> tuple[bytes, int]:
    """The first bytes of a variable and how many it has, by unpacking all of it where it is packed."""
    kind, left = struct.unpack(order, tag)
    if kind != 15:  # miCOMPRESSED
        start = tag + raw.read(min(left, START))
        if raw.seek(left - (len(start) - 8), os.SEEK_CUR) > file.size:
            raise EOFError(f"{raw.tell() - file.size} bytes are missing at its end")
        return start, 8 + left
    unpack = zlib.decompressobj()
    start, size = b"", 0
    while left and not unpack.eof:
        data = raw.read(min(left, _CHUNK))
        if not data:
            raise EOFError(f"{left} bytes are missing at its end")
        left -= len(data)
        while data:
            part = unpack.decompress(data, _CHUNK)
            data = unpack.unconsumed_tail
            start += part[: START - len(start)]
            size += len(part)
            file.check(max(size, unpacking(size)), "a variable, while it is unpacked,")
    raw.seek(left, os.SEEK_CUR)
    return start, size


def _check_parts(start: bytes, size: int, order: str) -> None:
    """Refuse parts that promise more bytes than their variable has or are of a wrong type, and a
    variable that has more than it says."""
    (promised,) = struct.unpack_from(order, start)[1:]
    if size >= 16 + promised:
        raise EOFError(f"a variable of {promised} bytes has {size - 8}")
    at = 24  # after the variable's own tag, and its flags
    for part in ("dimensions", "name", "numbers"):
        if at + 8 > len(start):
            return
        kind, promised = struct.unpack_from(order, start, at)
        small = kind >> 16  # bytes, where they are so few that they are in the tag
        if not small and at + 8 + promised > size:
            raise EOFError(f"{part} of {promised} bytes in a variable of {size}")
        if part == "numbers" and _flags(start, order)[0] >= 6 and kind & 0xFFFF not in _NUMBERS:
            raise EOFError(f"numbers of type {kind & 0xFFFF}")
        at += 8 if small else 8 + promised + -promised % 8


def _flags(start: bytes, order: str) -> tuple[int, bool]:
    """The number of MATLAB's class, from 6 on that of numbers, and whether they are complex."""
    flags = struct.unpack_from(order, start, 16)[0]
    return flags & 0xFF, bool(flags & 0x0800)
