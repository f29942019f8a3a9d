"""Layers: descriptions from which a network is built, a kind in each file."""

from __future__ import annotations

from .activation import ActivationName
from .dense import Dense
from .dropout import Dropout
from .layer import Layer, Weighted
from .local import LocallyConnected2D, Padding

#: Every kind of layer.
KINDS: tuple[type[Layer], ...] = (Dense, LocallyConnected2D, Dropout)

__all__ = [
    "KINDS",
    "ActivationName",
    "Dense",
    "Dropout",
    "Layer",
    "LocallyConnected2D",
    "Padding",
    "Weighted",
]


def __dir__() -> list[str]:
    return sorted(__all__)
