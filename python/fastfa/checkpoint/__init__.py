"""Checkpoints: networks, ensembles and trainers as files, from which they go on in the same bits.

The format is safetensors: one text of JSON that describes the whole, and the arrays. There is no code
in it, and none is run to read it. ``docs/checkpoints.md`` lists what is inside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import CheckpointError

if TYPE_CHECKING:
    from .callback import Checkpoint
    from .public import load, save

__all__ = ["Checkpoint", "CheckpointError", "load", "save"]


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str) -> Any:
    # At first use: the trainer resumes by a module of this package, and `load` makes trainers.
    if name == "Checkpoint":
        from .callback import Checkpoint

        return Checkpoint
    if name in ("load", "save"):
        from . import public

        return getattr(public, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
