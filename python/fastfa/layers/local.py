"""The locally connected layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .. import _check, _core
from .._attributes import immutable
from .activation import ActivationName, checked
from .images import Padding, image_below, pair, positions
from .layer import Weighted


@immutable
@dataclass(frozen=True)
class LocallyConnected2D(Weighted):
    """Convolution without weight sharing: every position has weights of its own.

    ``h = σ(a)``, ``a[m, y, x] = Σ W[m, y, x, c, i, j] in[c, s y + i − p, s x + j − p] + b[m, y, x]``.
    Above an input of shape (H, W) or (C, H, W), or another such layer. Units are numbered in
    (maps, out_h, out_w) order. Weights start as for :class:`Dense`.

    Feedback *into* the layer is a matrix over its units, as for a dense layer. Feedback *through* it,
    layerwise to the layer below, keeps its pattern for ``"uniform"`` (a random weight for every
    weight of the layer), ``"sign"`` and ``"transpose"`` (true backprop); other matrices are dense,
    and ``"pseudoinverse"`` and the weight mirror are not there.

    Parameters
    ----------
    maps : int
        Units at each position, at least 1.
    kernel_size : int or (int, int)
        Height and width of a patch.
    stride : int or (int, int)
        Between neighbouring patches.
    padding : {"valid", "same"}
        ``valid``: all patches lie inside, (size − kernel) // stride + 1 positions. ``same``: zeros
        around the input, as evenly as possible (the extra one at the end), ⌈size / stride⌉ positions.
    activation, bias, weight_scale, trainable, leaky_slope
        As for :class:`Dense`; the default weight_scale is 1/√(channels · kernel height · width).

    Raises
    ------
    ValueError, TypeError
        If a value is outside its range or of the wrong kind.

    References
    ----------
    Lillicrap, Cownden, Tweed & Akerman, Nature Communications 7:13276 (2016), supplement, Note 5:
    6 maps of 6 × 6 patches. Bartunov et al., Advances in Neural Information Processing Systems 31
    (2018).
    """

    maps: int
    kernel_size: tuple[int, int]
    stride: tuple[int, int]
    padding: Padding
    activation: ActivationName
    bias: bool
    weight_scale: float | None
    trainable: bool
    leaky_slope: float | None

    def __init__(
        self,
        maps: int,
        kernel_size: int | Sequence[int],
        *,
        stride: int | Sequence[int] = 1,
        padding: Padding = "valid",
        activation: ActivationName = "linear",
        bias: bool = True,
        weight_scale: float | None = None,
        trainable: bool = True,
        leaky_slope: float | None = None,
    ) -> None:
        where = "LocallyConnected2D"
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
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    def output_shape(self, input_shape: Sequence[int]) -> tuple[int, int, int]:
        """(maps, out_h, out_w) above an input of shape (H, W) or (C, H, W)."""
        image = image_below("output_shape", input_shape)
        return (self.maps, *positions(image, self.kernel_size, self.stride, self.padding))

    def weight_shape(self, input_shape: Sequence[int]) -> tuple[int, int, int, int, int, int]:
        """(maps, out_h, out_w, channels, kernel_h, kernel_w), above an input (H, W) or (C, H, W)."""
        channels, *_ = image = image_below("weight_shape", input_shape)
        return (*self.output_shape(image), channels, *self.kernel_size)

    def fan_in(self, input_shape: Sequence[int]) -> int:
        """What a unit sees: channels · kernel height · kernel width."""
        return image_below("fan_in", input_shape)[0] * math.prod(self.kernel_size)

    def _stored_feedback(self, of_pattern: bool, input_shape: Sequence[int]) -> tuple[int, ...]:
        # Of the layer's own pattern, a random weight for every weight.
        if of_pattern:
            return self.weight_shape(input_shape)
        return super()._stored_feedback(of_pattern, input_shape)

    def _check_below(self, shape: tuple[int, ...], where: str) -> None:
        if len(shape) not in (2, 3):
            raise ValueError(
                f"[Network] {where} is LocallyConnected2D above something of shape {shape}; it must be "
                "above an input of shape (H, W) or (C, H, W), or another LocallyConnected2D"
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
            patches="own",
        )
