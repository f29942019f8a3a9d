"""The calls of a network that lives on a GPU: its memory, and the stream that it works on."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..device_array import DeviceArray
from . import _device_arrays
from .parameters import Parameters


class OnDevice(Parameters):
    """The methods of :class:`Network` for arrays and streams of other libraries on its GPU."""

    _stream: Any = None

    def on_device(self, array: np.ndarray) -> DeviceArray:
        """One of the network's own arrays for libraries that work on the GPU, without a copy.

        Parameters
        ----------
        array : numpy.ndarray
            Of ``weights``, ``biases`` or ``feedback_matrices``, or a part of one. What is written there
            is what the network uses from then on.

        Raises
        ------
        ValueError, TypeError
            If it isn't an array, or not in the memory of the network's GPU; always so on the CPU.
        """
        if not isinstance(array, np.ndarray):
            raise TypeError(f"[on_device] array was {array!r}; it must be a numpy.ndarray")
        if not self._net.reaches(array.__array_interface__["data"][0], array.itemsize):
            raise ValueError(
                f"[on_device] array isn't in the memory of the network's device, {self.device!r}; it "
                "must be one of its weights, biases or feedback_matrices"
            )
        return DeviceArray(array, _device_arrays.ordinal(self.device))

    def use_stream(self, stream: Any) -> None:
        """Queue the network's work on a CUDA stream of yours from now on.

        It then comes after what is on that stream already. Every call still returns when its work is
        done.

        Parameters
        ----------
        stream : object with ``__cuda_stream__`` (such as cuda.core.Stream), int, or None
            Or its handle, a ``cudaStream_t``; 0 is the default stream. None: the network's own again.

        Raises
        ------
        ValueError, TypeError
            If the network is on the CPU, or the stream is none.
        """
        handle = _device_arrays.stream_handle("use_stream", stream)
        try:
            self._net.use_stream(handle)
        except RuntimeError as error:
            raise ValueError(
                f"[use_stream] stream was {stream!r}: {error}; it must be one that is there"
            ) from None
        self._stream = stream  # kept alive

    def _apart(self, where: str, arrays: tuple[Any, Any]) -> tuple[Any, ...]:
        """X and Y; copies of those that lie in the network's own memory, which learning writes.

        On a device they are refused instead.
        """
        if all(isinstance(a, np.ndarray) and a.base is None for a in arrays):
            return arrays
        own = self._arrays().values()
        result = []
        for name, a in zip("XY", arrays, strict=True):
            if not isinstance(a, np.ndarray):
                _device_arrays.apart(self, where, name, a)
            elif any(np.may_share_memory(a, b) for b in own):
                a = a.copy()
            result.append(a)
        return tuple(result)
