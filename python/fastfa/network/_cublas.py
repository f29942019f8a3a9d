"""Where NVIDIA's cuBLAS is on this machine."""

from __future__ import annotations

from ..errors import DeviceError

_HOW = "; `pip install 'fastfa[cublas]'` brings it"


def path(device: str) -> str:
    """The library's file for networks on `device`, by cuda.pathfinder; empty where none is looked for.

    It is loaded into the process, with what it needs.

    Raises
    ------
    DeviceError
        If there is none.
    """
    if device.partition(":")[0] != "cuda":
        return ""
    missing = "[Network] matmul_library was cuBLAS; "
    try:
        from cuda import pathfinder
    except ImportError:
        raise DeviceError(
            f"{missing}cuda.pathfinder, which finds it, isn't installed{_HOW}"
        ) from None
    try:
        return pathfinder.load_nvidia_dynamic_lib("cublas").abs_path
    except pathfinder.DynamicLibNotFoundError as error:
        raise DeviceError(f"{missing}cuda.pathfinder doesn't find it{_HOW}") from error
