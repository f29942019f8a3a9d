"""Arrays in a GPU's memory, for other libraries to take without a copy."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from . import _core
from ._attributes import Guarded


class DeviceArray(Guarded):
    """An array where a GPU reaches it: outputs for inputs that are there, or a network's own memory.

    CuPy, PyTorch, JAX and Numba take it as it is (``cupy.asarray``, ``torch.from_dlpack``, …), NumPy by
    ``numpy.asarray``, which makes a view that moves to the host when it is looked at. The array stays
    alive as long as any of them. Work on it is done when you get it; nothing needs waiting for.

    `Network.forward` and `Network.on_device` make them.

    Attributes
    ----------
    shape : tuple of int
    dtype : numpy.dtype
    device : int
        Which GPU, numbered from 0.
    """

    _INSTEAD: ClassVar[dict[str, str]] = {
        "": "it says what the array is; change it in a library that works on the GPU"
    }

    device: int

    def __init__(self, array: np.ndarray, device: int) -> None:
        self._array = array
        self._set(device=device)

    @property
    def shape(self) -> tuple[int, ...]:
        """As of a NumPy array."""
        return self._array.shape

    @property
    def dtype(self) -> np.dtype:
        """The network's own."""
        return self._array.dtype

    def __len__(self) -> int:
        return len(self._array)

    def __repr__(self) -> str:
        return f"DeviceArray({self.shape}, {self.dtype.name}, device {self.device})"

    def __reduce__(self) -> Any:
        raise TypeError(
            "[DeviceArray] memory of a GPU can't be copied or pickled so; numpy.array(it) can, which "
            "copies it to the host"
        )

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy or (dtype is not None and np.dtype(dtype) != self.dtype):
            if copy is False:
                raise ValueError(f"a DeviceArray of {self.dtype} can't be {dtype} without a copy")
            return self._array.astype(self.dtype if dtype is None else dtype)
        return self._array

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        found = self._array.__array_interface__
        return {
            "shape": self.shape,
            "typestr": found["typestr"],
            "data": found["data"],
            "strides": found["strides"],
            "version": 3,
            "stream": None,
        }

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, self.device  # kDLCUDA

    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: Any = None,
        dl_device: Any = None,
        copy: bool | None = None,
    ) -> Any:
        if copy or dl_device not in (None, self.__dlpack_device__()):
            raise BufferError("a DeviceArray is given as it is, where it is")
        return _core.make_dlpack(self._array, self.device)
