"""The convolutional layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .. import _check, _core
from .._attributes import immutable
from .activation import ActivationName, checked
from .images import Padding, check_channels_first, image_below, pair, positions
from .layer import Weighted


@immutable
@dataclass(frozen=True)
class Conv2D(Weighted):
    """A convolution: every position looks at its patch through the same weights.

    ``h = σ(a)``, ``a[m, y, x] = Σ W[m, c, i, j] in[c, s y + i − p, s x + j − p] + b[m]``. Above an
    input of shape (H, W) or (C, H, W), or another layer with such a shape. Weights and biases are shaped
    as PyTorch's. Units are numbered in (maps, out_h, out_w) order, as those of
    :class:`LocallyConnected2D`. Weights start as for :class:`Dense`.

    Feedback *into* the layer is a matrix over its units (over what pooling above it leaves of them).
    Feedback *through* it, layerwise to the layer below, is a convolution too for ``"uniform"`` (a random
    kernel of its own, one weight for every weight of the layer), ``"sign"`` and ``"transpose"`` (true
    backprop); other matrices are dense, and ``"pseudoinverse"`` and the weight mirror are not there.

    Networks with this layer live on the CPU.

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
        As for :class:`Dense`; the default weight_scale is 1/√(channels · kernel height · width). There
        is one bias for each map.

    Raises
    ------
    ValueError, TypeError
        If a value is outside its range or of the wrong kind.

    References
    ----------
    LeCun, Bottou, Bengio & Haffner, Proceedings of the IEEE 86:2278 (1998). A random kernel as
    feedback: Liao, Leibo & Poggio, AAAI Conference on Artificial Intelligence 30 (2016).
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
        where = "Conv2D"
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

    def weight_shape(self, input_shape: Sequence[int]) -> tuple[int, int, int, int]:
        """(maps, channels, kernel_h, kernel_w), above an input (H, W) or (C, H, W)."""
        channels, *_ = image_below("weight_shape", input_shape)
        return (self.maps, channels, *self.kernel_size)

    def fan_in(self, input_shape: Sequence[int]) -> int:
        """What a unit sees: channels · kernel height · kernel width."""
        return image_below("fan_in", input_shape)[0] * math.prod(self.kernel_size)

    def _bias_shape(self, input_shape: Sequence[int]) -> tuple[int]:
        return (self.maps,)

    def _stored_feedback(self, of_pattern: bool, input_shape: Sequence[int]) -> tuple[int, ...]:
        # A kernel, as the layer's own.
        if of_pattern:
            return self.weight_shape(input_shape)
        return super()._stored_feedback(of_pattern, input_shape)

    def _check_below(self, shape: tuple[int, ...], where: str) -> None:
        if len(shape) not in (2, 3):
            raise ValueError(
                f"[Network] {where} is Conv2D above something of shape {shape}; it must be above an "
                "input of shape (H, W) or (C, H, W), or another layer whose units have such a shape"
            )
        if min(self.output_shape(shape)) < 1:
            raise ValueError(
                f"[Network] {where}.kernel_size was {self.kernel_size}; the image is {shape[-2:]}, so "
                "with padding 'valid' it must not be larger"
            )

    def _check_input(self, shape: tuple[int, ...], where: str) -> None:
        check_channels_first(shape, where, "Conv2D")

    def _local_spec(self, shape: tuple[int, ...]) -> _core.LocalSpec:
        return _core.LocalSpec(
            input=image_below("Network", shape),
            maps=self.maps,
            kernel=self.kernel_size,
            stride=self.stride,
            same=self.padding == "same",
            patches="shared",
        )
