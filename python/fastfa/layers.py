"""Layers: descriptions from which a network is built."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from . import _check, _core

ActivationName = Literal["linear", "logistic", "tanh", "relu", "leaky_relu", "softmax"]


@dataclass(frozen=True)
class Dense:
    """A fully connected layer, ``h = σ(W x + b)``.

    Weights start as ``W ~ U(−weight_scale, weight_scale)``, drawn from the network's seed, biases at 0.

    Parameters
    ----------
    units : int
        Number of units, at least 1.
    activation : {"linear", "logistic", "tanh", "relu", "leaky_relu", "softmax"}
        σ. ``leaky_relu`` has slope 1/20 below zero, as in the paper's supplement (Note 5);
        ``softmax`` is for the output layer only.
    bias : bool
        Whether the units have a bias b.
    weight_scale : float, optional
        The paper's ω, at least 0. Default: 1/√n_in.
    density : float
        The share of W that exists, in (0, 1]. Which weights do is drawn from the network's seed; those
        that exist start as in the dense layer, the others are exactly 0 for ever. With
        ``Feedback("sparse")`` as well, half of each, a quarter of the connections is reciprocal: the
        paper's removal of weights.
    trainable : bool
        False freezes W and b; the error still passes through to the layers below.

    Raises
    ------
    ValueError, TypeError
        If a value is outside its range or of the wrong kind.
    """

    units: int
    activation: ActivationName
    bias: bool
    weight_scale: float | None
    density: float
    trainable: bool

    def __init__(
        self,
        units: int,
        activation: ActivationName = "linear",
        *,
        bias: bool = True,
        weight_scale: float | None = None,
        density: float = 1.0,
        trainable: bool = True,
    ) -> None:
        if weight_scale is not None:
            weight_scale = _check.real("Dense", "weight_scale", weight_scale)
        fields = {
            "units": _check.integer("Dense", "units", units, 1, 2**31 - 1),
            "activation": _check.choice("Dense", "activation", activation, _core.ACTIVATIONS),
            "bias": _check.flag("Dense", "bias", bias),
            "weight_scale": weight_scale,
            "density": _check.real("Dense", "density", density, high=1.0, open_low=True),
            "trainable": _check.flag("Dense", "trainable", trainable),
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    def _spec(self, n_in: int) -> _core.DenseSpec:
        scale = 1.0 / math.sqrt(n_in) if self.weight_scale is None else self.weight_scale
        return _core.DenseSpec(
            units=self.units,
            activation=self.activation,
            weight_scale=scale,
            bias=self.bias,
            trainable=self.trainable,
            density=self.density,
        )
