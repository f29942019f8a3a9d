"""Other frameworks: ``fastfa.interop.torch``, ``fastfa.interop.jax``, ``fastfa.interop.onnx``.

Each is loaded when it is first named, and needs the package whose name it has. Arrays need none of
them: every call takes whatever speaks DLPack, and ``torch.from_dlpack(net.weights[0])`` is a view.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["jax", "onnx", "torch"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(f".{name}", __name__)


def __dir__() -> list[str]:
    return sorted(__all__)
