"""Somebody else's arrays and streams on the emulated device, as CuPy or PyTorch would have them."""

from __future__ import annotations

import ctypes
import weakref
from typing import Any

import numpy as np
from devices import library
from fastfa import _core


def emulator() -> ctypes.CDLL:
    lib = ctypes.CDLL(str(library()))
    size, pointer = ctypes.c_size_t, ctypes.c_void_p
    lib.fastfa_emulated_allocate.argtypes = [ctypes.c_int, size]
    lib.fastfa_emulated_allocate.restype = pointer
    lib.fastfa_emulated_free.argtypes = [ctypes.c_int, pointer]
    lib.fastfa_emulated_stream.restype = pointer
    lib.fastfa_emulated_stream_free.argtypes = [pointer]
    lib.fastfa_emulated_handle.argtypes = [pointer]
    lib.fastfa_emulated_handle.restype = size
    lib.fastfa_emulated_copy.argtypes = [size, pointer, pointer, size]
    lib.fastfa_emulated_after.argtypes = [size, size]
    return lib


class Stream:
    """A stream whose work is not done before somebody waits for it."""

    def __init__(self) -> None:
        lib = emulator()
        stream = lib.fastfa_emulated_stream()
        self.handle = lib.fastfa_emulated_handle(stream)
        weakref.finalize(self, lib.fastfa_emulated_stream_free, stream)

    def __cuda_stream__(self) -> tuple[int, int]:
        return 0, self.handle


class Array:
    """A copy of ``values`` in a device's memory, written on ``stream`` if there is one, else at once.

    ``cols``: what is shown are the first columns alone, so that rows are further apart than they are
    long.
    """

    def __init__(
        self, values: Any, ordinal: int = 0, stream: Stream | None = None, cols=None
    ) -> None:
        lib = emulator()
        self.values = np.ascontiguousarray(values)
        self.ordinal, self.stream = ordinal, stream
        size = self.values.nbytes
        self.pointer = lib.fastfa_emulated_allocate(ordinal, max(size, 8))
        weakref.finalize(self, lib.fastfa_emulated_free, ordinal, self.pointer)
        if stream is None:
            ctypes.memmove(self.pointer, self.values.ctypes.data, size)
        else:
            lib.fastfa_emulated_copy(stream.handle, self.pointer, self.values.ctypes.data, size)
        there = (ctypes.c_char * max(size, 8)).from_address(self.pointer)
        whole = np.ndarray(self.values.shape, self.values.dtype, there)
        self.view = whole if cols is None else whole[:, :cols]
        self.shape, self.dtype = self.view.shape, self.view.dtype

    def __len__(self) -> int:
        return len(self.view)


class ByInterface(Array):
    """Numba's way."""

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        found = self.view.__array_interface__
        stream = self.stream.handle if self.stream else None
        return {**found, "version": 3, "stream": stream}


class ByDlpack(Array):
    """Everybody's. The stream that is named is made to wait for the array's own."""

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, self.ordinal

    def __dlpack__(self, *, stream: int | None = None) -> Any:
        assert isinstance(stream, int)
        if self.stream:
            emulator().fastfa_emulated_after(stream, self.stream.handle)
        return _core.make_dlpack(self.view, self.ordinal)


PROTOCOLS = [ByInterface, ByDlpack]
