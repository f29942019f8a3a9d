"""Arrays in a GPU's memory, used where they are: by DLPack or ``__cuda_array_interface__``."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import _core

if TYPE_CHECKING:
    from .parameters import Parameters

_CUDA, _CUDA_MANAGED = 2, 13  # of DLPack's device types


class Found(NamedTuple):
    """What an array says of itself; strides in bytes."""

    pointer: int
    shape: tuple[int, ...]
    strides: tuple[int, ...] | None  # None: C-contiguous
    typestr: str
    owner: Any


def is_one(value: Any) -> bool:
    """Whether `value` is in a GPU's memory."""
    if isinstance(value, np.ndarray | list | tuple):
        return False
    asked = getattr(value, "__dlpack_device__", None)
    if asked is not None:
        return asked()[0] in (_CUDA, _CUDA_MANAGED)
    return hasattr(value, "__cuda_array_interface__")


def kind_of(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__name__}"


def ordinal(device: str) -> int:
    """The number of a device: 1 of ``"cuda:1"``, 0 of ``"cuda"``."""
    return int(device.partition(":")[2] or 0)


def matrix(
    net: Parameters, where: str, name: str, value: Any, size: int, shape: tuple[int, ...], rows: str
) -> _core.DeviceMatrix:
    """`value` as the core takes it: (N, size), or (N, *shape), each example contiguous.

    ``rows`` is what N must be, for messages. What was queued on the array's stream is done by then.
    """
    found = _read(net, where, name, value)
    if found.typestr != net.dtype.str:
        raise TypeError(
            f"[{where}] {name} has dtype {_dtype_name(found.typestr)}; in a GPU's memory it must have "
            f"the network's own, {net.dtype}: it isn't converted there"
        )
    inner = found.shape[1:]
    if inner not in ((size,), shape) or not found.shape[0]:
        shapes = f"({rows}, {size})"
        if len(shape) > 1:
            shapes += f" or ({rows}, {', '.join(map(str, shape))})"
        raise ValueError(f"[{where}] {name} has shape {found.shape}; it must be {shapes}")
    itemsize = net.dtype.itemsize
    contiguous = [itemsize * math.prod(inner[i + 1 :]) for i in range(len(inner))]
    strides = found.strides or (itemsize * size, *contiguous)
    row = strides[0] if found.shape[0] > 1 else itemsize * size
    laid_out = [s for s, n in zip(strides[1:], inner, strict=True) if n > 1]
    expected = [s for s, n in zip(contiguous, inner, strict=True) if n > 1]
    if laid_out != expected or row < itemsize * size or row % itemsize:
        raise ValueError(
            f"[{where}] {name} has strides {strides} in bytes; in a GPU's memory each example must be "
            "contiguous, one after another"
        )
    if not net._net.reaches(found.pointer, row * (found.shape[0] - 1) + itemsize * size):
        raise ValueError(
            f"[{where}] {name} isn't in the memory of the network's device, {net.device!r}; it must be"
        )
    return _core.DeviceMatrix(found.pointer, found.shape[0], size, row // itemsize, found.owner)


def apart(net: Parameters, where: str, name: str, given: _core.DeviceMatrix) -> None:
    """Refuse an array that is a part of the network, which learning writes."""

    interface = {
        "shape": given.shape,
        "typestr": net.dtype.str,
        "data": (given.pointer, True),
        "strides": (given.row_stride * net.dtype.itemsize, net.dtype.itemsize),
        "version": 3,
    }
    view = np.asarray(SimpleNamespace(__array_interface__=interface))  # nobody looks at it
    if any(np.may_share_memory(view, own) for own in net._arrays().values()):
        raise ValueError(
            f"[{where}] {name} lies in the network's own memory, which learning writes; it must be a "
            "copy"
        )


def stream_handle(where: str, stream: Any) -> int:
    """The handle that the core takes: 0 for None, the network's own stream."""
    if stream is None:
        return 0
    protocol = getattr(stream, "__cuda_stream__", None)
    if protocol is not None:
        found = protocol() if callable(protocol) else protocol
        stream = found[1]
    if isinstance(stream, bool) or not isinstance(stream, int) or stream < 0:
        raise TypeError(
            f"[{where}] stream was {stream!r}; it must be None, a stream with __cuda_stream__ (such as "
            "cuda.core.Stream), or the handle of a cudaStream_t"
        )
    return int(stream) or 1  # 0 is the default stream, whose handle is 1


def _read(net: Parameters, where: str, name: str, value: Any) -> Found:
    if net.device == "cpu":
        raise TypeError(
            f"[{where}] {name} was a {kind_of(value)} in a GPU's memory; the network is on 'cpu', so it "
            "must be in main memory"
        )
    own = net._net.stream()
    if not hasattr(value, "__dlpack_device__"):
        found, stream = _interface(where, name, value)
        if stream is not None:
            net._net.wait_for(int(stream))
        return found
    number = value.__dlpack_device__()[1]
    if number != ordinal(net.device):
        raise ValueError(
            f"[{where}] {name} is on GPU {number}; the network is on {net.device!r}, and it must be "
            "there"
        )
    try:
        capsule = value.__dlpack__(stream=own)
    except (BufferError, RuntimeError, TypeError) as error:
        raise TypeError(
            f"[{where}] {name} was a {kind_of(value)} that can't be read in place ({error}); it must be "
            "an array of numbers, detached from any gradient"
        ) from None
    pointer, shape, strides, kind, owner = _core.read_dlpack(capsule)
    net._net.wait_for(own)  # what the array's owner made this stream wait for
    typestr = np.dtype(kind).str if kind in ("f4", "f8") else kind or "unknown"
    if strides is not None:
        strides = tuple(s * int(kind[1:] or 1) for s in strides)
    return Found(pointer, shape, strides, typestr, owner)


def _interface(where: str, name: str, value: Any) -> tuple[Found, int | None]:
    given = value.__cuda_array_interface__
    if given.get("mask") is not None:
        raise TypeError(f"[{where}] {name} has a mask; it must be an array without")
    found = Found(
        int(given["data"][0]),
        tuple(given["shape"]),
        given.get("strides"),
        given["typestr"],
        value,
    )
    return found, given.get("stream")


def _dtype_name(typestr: str) -> str:
    try:
        return np.dtype(typestr).name
    except TypeError:
        return typestr
