"""What layers with weights have in common whose units see patches of an image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from .. import _check, _core
from .activation import Activation, ActivationName, checked
from .images import Padding, image_below, pair, positions
from .layer import Weighted
from .scales import checked_scales


@dataclass(frozen=True)
class OfPatches(Weighted):
    """``maps`` units at each position; whether positions share their weights is the kind's."""

    _patches: ClassVar[str]  # the core's name of the kind

    maps: int
    kernel_size: tuple[int, int]
    stride: tuple[int, int]
    padding: Padding
    activation: ActivationName | Activation
    bias: bool
    weight_scale: float | None
    trainable: bool
    leaky_slope: float | None
    lr_scale: float
    decay_scale: float
    bias_lr_scale: float
    bias_decay_scale: float

    def __init__(
        self,
        maps: int,
        kernel_size: int | Sequence[int],
        *,
        stride: int | Sequence[int] = 1,
        padding: Padding = "valid",
        activation: ActivationName | Activation = "linear",
        bias: bool = True,
        weight_scale: float | None = None,
        trainable: bool = True,
        leaky_slope: float | None = None,
        lr_scale: float = 1.0,
        decay_scale: float = 1.0,
        bias_lr_scale: float | None = None,
        bias_decay_scale: float = 0.0,
    ) -> None:
        where = type(self).__name__
        if weight_scale is not None:
            weight_scale = _check.real(where, "weight_scale", weight_scale)
        fields = {
            "maps": _check.integer(where, "maps", maps, 1, 2**31 - 1),
            "kernel_size": pair(where, "kernel_size", kernel_size),
            "stride": pair(where, "stride", stride),
            "padding": _check.choice(where, "padding", padding, ("valid", "same")),
            **checked(where, activation, leaky_slope),
            "bias": _check.flag(where, "bias", bias),
            "weight_scale": weight_scale,
            "trainable": _check.flag(where, "trainable", trainable),
            **checked_scales(where, lr_scale, decay_scale, bias_lr_scale, bias_decay_scale),
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    def output_shape(self, input_shape: Sequence[int]) -> tuple[int, int, int]:
        """(maps, out_h, out_w) above an input of shape (H, W) or (C, H, W)."""
        image = image_below("output_shape", input_shape)
        return (self.maps, *positions(image, self.kernel_size, self.stride, self.padding))

    def fan_in(self, input_shape: Sequence[int]) -> int:
        """What a unit sees: channels · kernel height · kernel width."""
        return image_below("fan_in", input_shape)[0] * math.prod(self.kernel_size)

    def _stored_feedback(self, of_pattern: bool, input_shape: Sequence[int]) -> tuple[int, ...]:
        if of_pattern:  # a random weight for every weight
            return self.weight_shape(input_shape)
        return super()._stored_feedback(of_pattern, input_shape)

    def _check_below(self, shape: tuple[int, ...], where: str) -> None:
        if len(shape) not in (2, 3):
            raise ValueError(
                f"[Network] {where} is {type(self).__name__} above something of shape {shape}; it must "
                "be above an input of shape (H, W) or (C, H, W), or another layer whose units have such "
                "a shape"
            )
        if min(self.output_shape(shape)) < 1:
            raise ValueError(
                f"[Network] {where}.kernel_size was {self.kernel_size}; the image is {shape[-2:]}, so "
                "with padding 'valid' it must not be larger"
            )

    def _local_spec(self, shape: tuple[int, ...]) -> _core.LocalSpec:
        return _core.LocalSpec(
            input=image_below("Network", shape),
            maps=self.maps,
            kernel=self.kernel_size,
            stride=self.stride,
            same=self.padding == "same",
            patches=self._patches,
        )
