"""The fully connected layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .. import _check
from .._attributes import immutable
from .activation import Activation, ActivationName, checked
from .layer import Weighted, shape_below
from .mask import Mask, checked_mask
from .scales import checked_scales


@immutable
@dataclass(frozen=True)
class Dense(Weighted):
    """A fully connected layer, ``h = σ(W x + b)``.

    Weights start as ``W ~ U(−weight_scale, weight_scale)``, drawn from the network's seed, biases at 0.

    Parameters
    ----------
    units : int
        Number of units, at least 1.
    activation : {"linear", "logistic", "tanh", "relu", "leaky_relu", "hard_tanh", "softplus", "elu", \
"gelu", "silu", "softmax"}
        σ. ``softmax`` is for the output layer only; ``gelu`` and ``silu`` are for hidden layers only,
        since their slope doesn't follow from the output. ``sigmoid``, ``identity``, ``hardtanh`` and
        ``swish`` are other names of ``logistic``, ``linear``, ``hard_tanh`` and ``silu``. An
        :class:`Activation` is your own, in a hidden layer.
    bias : bool
        Whether the units have a bias b.
    weight_scale : float, optional
        The paper's ω, at least 0. Default: 1/√n_in.
    density : float
        The share of W that exists, in (0, 1]. Which weights do is drawn from the network's seed; those
        that exist start as in the dense layer, the others are exactly 0 for ever. With
        ``Feedback("sparse")`` as well, half of each, a quarter of the connections is reciprocal: the
        paper's removal of weights.
    mask : array_like, optional
        In place of ``density``: which weights exist, truth values (n_out, n_in). It is kept as a
        `Mask`, which ``np.asarray`` makes an array again.
    trainable : bool
        False freezes W and b; the error still passes through to the layers below.
    leaky_slope : float, optional
        Of ``leaky_relu`` below zero, in [0, 1]. Default: 1/20, as in the paper's supplement (Note 5).
        Not for other activations.
    lr_scale, decay_scale : float
        Factors, from 0 to 1e9, on the optimizer's learning rate and weight decay, for this layer's W. A
        B that learns takes the rate of the layer that its error comes from.
    bias_lr_scale, bias_decay_scale : float, optional
        The same for b. Default: b learns at the rate of W, and doesn't decay.

    Raises
    ------
    ValueError, TypeError
        If a value is outside its range or of the wrong kind.
    """

    fully_connected: ClassVar[bool] = True

    units: int
    activation: ActivationName | Activation
    bias: bool
    weight_scale: float | None
    density: float
    mask: Mask | None
    trainable: bool
    leaky_slope: float | None
    lr_scale: float
    decay_scale: float
    bias_lr_scale: float
    bias_decay_scale: float

    def __init__(
        self,
        units: int,
        activation: ActivationName | Activation = "linear",
        *,
        bias: bool = True,
        weight_scale: float | None = None,
        density: float = 1.0,
        mask: Any = None,
        trainable: bool = True,
        leaky_slope: float | None = None,
        lr_scale: float = 1.0,
        decay_scale: float = 1.0,
        bias_lr_scale: float | None = None,
        bias_decay_scale: float = 0.0,
    ) -> None:
        if weight_scale is not None:
            weight_scale = _check.real("Dense", "weight_scale", weight_scale)
        units = _check.integer("Dense", "units", units, 1, 2**31 - 1)
        density = _check.real("Dense", "density", density, high=1.0, open_low=True)
        fields = {
            "units": units,
            **checked("Dense", activation, leaky_slope),
            "bias": _check.flag("Dense", "bias", bias),
            "weight_scale": weight_scale,
            "density": density,
            "mask": checked_mask(mask, units, density),
            "trainable": _check.flag("Dense", "trainable", trainable),
            **checked_scales("Dense", lr_scale, decay_scale, bias_lr_scale, bias_decay_scale),
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    def output_shape(self, input_shape: Sequence[int]) -> tuple[int]:
        """(units,), above an input of any shape."""
        shape_below("output_shape", input_shape)
        return (self.units,)

    def weight_shape(self, input_shape: Sequence[int]) -> tuple[int, int]:
        """(n_out, n_in), above an input of this shape."""
        return self.units, math.prod(shape_below("weight_shape", input_shape))

    def fan_in(self, input_shape: Sequence[int]) -> int:
        """All inputs, n_in."""
        return math.prod(shape_below("fan_in", input_shape))

    @property
    def _density(self) -> float:
        return self.density if self.mask is None else self.mask.share

    def _check_below(self, shape: tuple[int, ...], where: str) -> None:
        wanted = self.weight_shape(shape)
        if self.mask is not None and self.mask.shape != wanted:
            raise ValueError(
                f"[Network] {where}.mask has shape {self.mask.shape}; it must be {wanted}, as W"
            )

    def _own_mask(self) -> np.ndarray | None:
        return None if self.mask is None else np.asarray(self.mask).ravel()
