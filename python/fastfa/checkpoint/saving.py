"""What is saved: a network, an ensemble or a trainer, by its kind, as a description and arrays."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from .. import _check
from ..ensemble import Ensemble
from ..errors import CheckpointError
from .describe import Tensors
from .file import NONSENSE, write
from .network import Described, describe_network
from .trainer import describe_trainer

Path = str | os.PathLike[str]


def save(path: Path, what: Any) -> None:
    """See `fastfa.save`."""
    path = _check.path("save", "path", path)
    write(path, *described(path, what))


def check(path: Path, what: Any) -> None:
    """Raise what `save` would, without writing."""
    described(path, what)
    folder = os.path.dirname(os.path.realpath(path))
    if not os.path.isdir(folder):
        raise CheckpointError(path, f"can't be written: there is no folder {folder}")


def described(path: Path, what: Any) -> tuple[Described, Tensors]:
    """The text and the arrays of the file."""
    try:
        kind = kind_of("what", what)
        content, tensors = _DESCRIBED[kind](what)
        return {"kind": kind} | content, tensors
    except NONSENSE as error:
        raise CheckpointError(path, f"can't be written: {error}") from error


def kind_of(name: str, what: Any) -> str:
    """What kind of thing it is: a name in a file's description."""
    kind = getattr(type(what), "_checkpoint_kind", None)
    if kind not in _DESCRIBED:
        raise TypeError(f"{name} was {what!r}; it must be a Network, an Ensemble or a Trainer")
    return kind


def _describe_network(what: Any) -> tuple[Described, Tensors]:
    own, tensors = describe_network(what)
    return {"network": own}, tensors


def _describe_ensemble(what: Ensemble) -> tuple[Described, Tensors]:
    networks: list[Described] = []
    tensors: Tensors = {}
    for i, net in enumerate(what.networks):
        own, arrays = describe_network(net, f"networks.{i}.")
        networks.append(own)
        tensors |= arrays
    return {"networks": networks}, tensors


_DESCRIBED: dict[str, Callable[[Any], tuple[Described, Tensors]]] = {
    "network": _describe_network,
    "ensemble": _describe_ensemble,
    "trainer": describe_trainer,
}
