"""Layers: descriptions from which a network is built, a kind in each file."""

from __future__ import annotations

from .activation import Activation, ActivationName
from .conv import Conv2D
from .dense import Dense
from .dropout import Dropout
from .images import Padding
from .layer import Layer, Weighted
from .local import LocallyConnected2D
from .pooling import AvgPool2D, MaxPool2D, Pooling
from .recurrent import Recurrent

#: Every kind of layer.
KINDS: tuple[type[Layer], ...] = (
    Dense,
    LocallyConnected2D,
    Conv2D,
    Recurrent,
    AvgPool2D,
    MaxPool2D,
    Dropout,
)

__all__ = [
    "KINDS",
    "Activation",
    "ActivationName",
    "AvgPool2D",
    "Conv2D",
    "Dense",
    "Dropout",
    "Layer",
    "LocallyConnected2D",
    "MaxPool2D",
    "Padding",
    "Pooling",
    "Recurrent",
    "Weighted",
]


def __dir__() -> list[str]:
    return sorted(__all__)
