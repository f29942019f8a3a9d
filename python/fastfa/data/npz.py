"""Arrays of an .npz file, each looked at before it is allocated; nothing is ever unpickled.

The format is NumPy's (NEP 1, "A simple file format for NumPy arrays"): a zip archive of .npy files,
each a header with type and shape, and then the values.
"""

from __future__ import annotations

import math
import zipfile
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from .limit import Limit

TEXT = ("labels", "y", "Y")  # arrays that may hold names
_PACKED = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}  # what np.savez and np.savez_compressed write


SEQUENCES = ("X", "Y")  # what the arrays of sequences are called


def holds_sequences(path: str) -> bool:
    """Whether this is an .npz file with arrays of sequences."""
    try:
        with zipfile.ZipFile(path) as archive:
            return "X.npy" in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False  # the reader will say what is wrong with the file


def read_npz(limit: Limit, *choices: tuple[str, ...], optional: tuple[str, ...] = ()) -> list[Any]:
    """Of each of some choices of names, the first array that the file holds.

    Then those of the ``optional`` names, None where one isn't there.

    Raises
    ------
    ValueError
        The file is no .npz file or damaged, none of the names is there, an array holds Python
        objects, or the arrays would take more memory than they may. The message names the file.
    """
    place = f"[{limit.where}] {limit.name}"
    wanted = " and ".join(names[0] for names in choices)
    must = f"it must be an .npz file with {wanted}"
    try:
        with open(limit.name, "rb") as raw, limit.memory(), zipfile.ZipFile(raw) as archive:
            return _arrays(limit, archive, choices, optional, wanted)
    except _Refused as problem:
        raise ValueError(f"{place} cannot be read ({problem}); {must}") from None
    except (FileNotFoundError, PermissionError, MemoryError):
        raise
    except Exception as error:  # of a damaged file zipfile and NumPy raise nearly anything
        what = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{place} cannot be read (damaged: {what[:200]}); {must}") from None


class _Refused(Exception):
    """Why a file is not read, in our own words."""


def _arrays(
    limit: Limit,
    archive: zipfile.ZipFile,
    choices: tuple[tuple[str, ...], ...],
    optional: tuple[str, ...],
    wanted: str,
) -> list[npt.NDArray[Any] | None]:
    held = [name.removesuffix(".npy") for name in archive.namelist()]
    arrays: list[npt.NDArray[Any] | None] = []
    need = 0
    for names in (*choices, *((name,) for name in optional)):
        there = [name for name in names if name in held]
        if not there and names[0] in optional:
            arrays.append(None)
            continue
        if not there:
            of = "; X is of sequences, which read_dataset reads" if "X" in held else ""
            raise _Refused(f"it holds {', '.join(held)[:200] or 'nothing'}, not {wanted}{of}")
        if held.count(there[0]) > 1:
            raise _Refused(f"it holds {there[0]} {held.count(there[0])} times")
        info = archive.infolist()[held.index(there[0])]
        if info.compress_type not in _PACKED:
            raise _Refused(f"{there[0]} is packed by method {info.compress_type}")
        with archive.open(info) as file:
            array = _array(limit, file, there[0], info.file_size, need)
        need += array.nbytes
        arrays.append(array)
    return arrays


def _array(limit: Limit, file: IO[bytes], name: str, size: int, held: int) -> npt.NDArray[Any]:
    """One .npy file of `size` bytes; `held` bytes are taken already."""
    shape, dtype = _header(file, name)
    if dtype.hasobject:
        raise _Refused(f"{name} holds Python objects, which fastfa never unpickles; save numbers")
    if dtype.kind not in "fiub" and not (dtype.kind == "U" and name in TEXT):
        raise _Refused(f"{name} has dtype {dtype}; it must be of real numbers")
    if any(length < 0 for length in shape):
        raise _Refused(f"{name} has shape {shape}")
    count = math.prod(shape)
    problem = limit.problem(held + count * dtype.itemsize, f"{name}, {dtype} of shape {shape},")
    if problem:
        raise _Refused(problem)
    present = size - file.tell()
    if present != count * dtype.itemsize:
        need = count * dtype.itemsize
        raise _Refused(f"{name} is {dtype} of shape {shape}, {need} bytes, but {present} are there")
    file.seek(0)
    try:
        array = np.lib.format.read_array(file, allow_pickle=False)
    except ValueError:  # it would advise to unpickle, or to trust the file
        raise _Refused(f"bytes of {name} are missing") from None
    if file.read(1):  # to its end, where zipfile checks the sum
        raise _Refused(f"bytes are left over after {name}")
    return array


def _header(file: IO[bytes], name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type, as NumPy reads them: the header is a literal, no code."""
    try:
        version = np.lib.format.read_magic(file)
        if version in ((1, 0), (2, 0)):
            read = getattr(np.lib.format, f"read_array_header_{version[0]}_0")
            shape, _, dtype = read(file)
            return shape, dtype
    except Exception:  # NumPy's own words may advise to unpickle, or to trust the file
        raise _Refused(f"{name} is no .npy file, or damaged") from None
    raise _Refused(f"{name} has version {version} of the format, not 1.0 or 2.0")
