"""IDX, the file format of MNIST: a strict reader and a writer.

An IDX file is: two zero bytes; a byte for the type; a byte for the number of dimensions; each
dimension as an unsigned 32-bit number; then the values, the last dimension running fastest.
Everything is big-endian (Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten
digits", section "The IDX file format").
"""

from __future__ import annotations

import contextlib
import gzip
import math
import os
import struct
import sys
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from .. import _check
from ..atomic import atomic_write
from .limit import Limit, path_of
from .stream import CHUNK, IdxError, Source, open_source

_TYPES: dict[int, np.dtype[Any]] = {
    0x08: np.dtype(np.uint8),
    0x09: np.dtype(np.int8),
    0x0B: np.dtype(np.int16),
    0x0C: np.dtype(np.int32),
    0x0D: np.dtype(np.float32),
    0x0E: np.dtype(np.float64),
}
_CODES = {dtype: code for code, dtype in _TYPES.items()}
_MOST_DIMENSIONS = 8


def read_idx(path: str | os.PathLike[str], *, limit: int | None = None) -> npt.NDArray[Any]:
    """Read an IDX file, plain or gzip (told apart by content, not by name).

    Nothing is allocated for the values before their declared size has been held against the
    file's: a plain file must have exactly that many bytes; gzip data cannot expand more than
    1032 times.

    Parameters
    ----------
    path : str or path-like
        The file.
    limit : int, optional
        Bytes of memory that the file may take. Default: 256 MiB, or 64 times its size if that is more.

    Returns
    -------
    ndarray
        A new, writable, C-contiguous array in native byte order, of dtype uint8, int8, int16,
        int32, float32 or float64, with the shape that the file declares (1 to 8 dimensions).

    Raises
    ------
    FileNotFoundError
        There is no such file.
    IdxError
        The file breaks the format, bytes are missing, damaged or left over, or the values would take
        more than `limit`. The message names the file and the byte.
    """
    with open_source(path) as source:
        bounds = Limit("read_idx", path, limit)
        dtype, shape, begin = _read_header(source)
        _check_size(source, dtype, shape, begin)
        problem = bounds.problem(math.prod(shape) * dtype.itemsize, f"{dtype} of shape {shape}")
        if problem:
            _raise(source, 4, problem)
        with bounds.memory():
            array = np.empty(shape, dtype)
        _fill(source, array, begin)
        if source.read(1):
            _raise(source, begin + array.nbytes, "bytes are left over")
    if sys.byteorder == "little":
        array.byteswap(inplace=True)
    return array


def _raise(source: Source, byte: int, problem: str) -> NoReturn:
    raise IdxError(source.path, byte, problem)


def _read_exactly(source: Source, count: int, begin: int) -> bytes:
    """`count` bytes of the header, which start at byte `begin`."""
    data = b""
    while len(data) < count:
        more = source.read(count - len(data))
        if not more:
            _raise(source, begin + len(data), "the file ends within its header")
        data += more
    return data


def _read_header(source: Source) -> tuple[np.dtype[Any], tuple[int, ...], int]:
    """The type, the shape, and the byte where the values begin."""
    magic = _read_exactly(source, 4, 0)
    if magic[:2] != b"\0\0":
        _raise(source, 0, f"an IDX file begins with 00 00, this one with {magic[:2].hex(' ')}")
    if magic[2] not in _TYPES:
        known = ", ".join(f"{code:02x}" for code in _TYPES)
        _raise(source, 2, f"type {magic[2]:02x} is unknown; it must be one of {known}")
    if not 1 <= magic[3] <= _MOST_DIMENSIONS:
        _raise(source, 3, f"{magic[3]} dimensions; there must be 1 to {_MOST_DIMENSIONS}")
    sizes = _read_exactly(source, 4 * magic[3], 4)
    return _TYPES[magic[2]], struct.unpack(f">{magic[3]}I", sizes), 4 + len(sizes)


def _check_size(source: Source, dtype: np.dtype[Any], shape: tuple[int, ...], begin: int) -> None:
    """Hold the declared size against the file's, before anything of that size is allocated."""
    # Zeros are left out: (0, 2³²-1, 2³²-1) holds nothing, yet its strides overflow.
    if math.prod(size for size in shape if size) * dtype.itemsize > sys.maxsize:
        _raise(source, 4, f"the dimensions {shape} are too large for any memory")
    declared = math.prod(shape) * dtype.itemsize
    present = source.most - begin
    if source.compressed and declared > present:
        _raise(
            source,
            4,
            f"the dimensions {shape} declare {declared} data bytes, "
            f"but gzip data of {source.file_size} bytes cannot hold over {source.most}",
        )
    if not source.compressed and declared > present:
        _raise(source, begin, f"{declared - present} of {declared} data bytes are missing")
    if not source.compressed and declared < present:
        _raise(source, begin + declared, f"{present - declared} bytes are left over")


def _fill(source: Source, array: npt.NDArray[Any], begin: int) -> None:
    """Overwrite the array with the bytes of the source."""
    view = array.reshape(-1).view(np.uint8).data
    filled = 0
    while filled < len(view):
        data = source.read(min(CHUNK, len(view) - filled))
        if not data:
            missing = len(view) - filled
            _raise(source, begin, f"{missing} of {len(view)} data bytes are missing")
        view[filled : filled + len(data)] = data
        filled += len(data)


def write_idx(path: str | os.PathLike[str], array: npt.ArrayLike) -> None:
    """Write an array as an IDX file, gzip if the name ends in ``.gz``.

    The file appears whole or not at all. The gzip header holds neither time nor name, so the same
    array gives the same bytes each time (with the same zlib).

    Parameters
    ----------
    path : str or path-like
        The file to make or to replace.
    array : array_like
        1 to 8 dimensions; dtype uint8, int8, int16, int32, float32 or float64, in any byte order.

    Raises
    ------
    TypeError
        IDX has no code for the array's dtype.
    ValueError
        The array has no dimensions, more than 8, or one above 2³² - 1.
    """
    path = path_of("write_idx", "path", path)
    values = _check.as_array("write_idx", "array", array)
    dtype = values.dtype.newbyteorder("=")
    if dtype not in _CODES:
        known = ", ".join(str(known) for known in _CODES)
        raise TypeError(f"[write_idx] array has dtype {values.dtype}; it must be one of {known}")
    if not 1 <= values.ndim <= _MOST_DIMENSIONS:
        raise ValueError(
            f"[write_idx] array has {values.ndim} dimensions; it must have 1 to {_MOST_DIMENSIONS}"
        )
    if max(values.shape) >= 1 << 32:
        raise ValueError(f"[write_idx] array has shape {values.shape}; each size must be < 2**32")
    header = struct.pack(f">HBB{values.ndim}I", 0, _CODES[dtype], values.ndim, *values.shape)
    body = np.ascontiguousarray(values, dtype.newbyteorder(">")).reshape(-1).view(np.uint8)
    with contextlib.ExitStack() as stack:
        file: Any = stack.enter_context(atomic_write(path))
        if os.fspath(path).endswith(".gz"):
            file = stack.enter_context(gzip.GzipFile("", "wb", 9, file, mtime=0))
        file.write(header)
        file.write(body.data)
