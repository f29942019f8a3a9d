"""Pooling, which acts on the units of the layer below it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from .. import _core
from .._attributes import immutable
from .images import check_channels_first, image_below, pair, positions
from .layer import Layer, Stack


class Pooling(Layer):
    """What the two kinds of pooling have in common."""

    _patches: ClassVar[str]

    size: tuple[int, int]
    stride: tuple[int, int]

    def _set(self, size: int | Sequence[int], stride: int | Sequence[int] | None) -> None:
        where = type(self).__name__
        object.__setattr__(self, "size", pair(where, "size", size))
        chosen = self.size if stride is None else pair(where, "stride", stride)
        object.__setattr__(self, "stride", chosen)

    def output_shape(self, input_shape: Sequence[int]) -> tuple[int, int, int]:
        """(C, out_h, out_w) above something of shape (H, W) or (C, H, W)."""
        image = image_below("output_shape", input_shape)
        return (image[0], *positions(image, self.size, self.stride, "valid"))

    def _join(self, stack: Stack, where: str) -> None:
        if stack.ends_in_dropout:
            raise ValueError(
                f"[Network] {where} is {type(self).__name__} above a Dropout; it must be below it"
            )
        stack.pooling[-1] += (self,)

    def _check_input(self, shape: tuple[int, ...], where: str) -> None:
        check_channels_first(shape, where, type(self).__name__)

    def _build(
        self, shape: tuple[int, ...], where: str, dropout: float
    ) -> tuple[_core.LayerSpec, tuple[int, ...]]:
        """The core's description above something of this shape, and what is left of that."""
        kind = type(self).__name__
        if len(shape) not in (2, 3):
            raise ValueError(
                f"[Network] there is {kind} above {where}, which has shape {shape}; it must be above "
                "something of shape (H, W) or (C, H, W)"
            )
        out = self.output_shape(shape)
        if min(out) < 1:
            raise ValueError(
                f"[Network] {kind}.size was {self.size} above {where}, which has shape {shape}; it must "
                f"be at most {shape[-2:]}, or nothing is left"
            )
        image = image_below("Network", shape)
        spec = _core.LayerSpec(
            units=math.prod(out),
            activation="linear",
            weight_scale=0.0,
            bias=False,
            trainable=False,
            density=1.0,
            local=_core.LocalSpec(
                input=image,
                maps=image[0],
                kernel=self.size,
                stride=self.stride,
                same=False,
                patches=self._patches,
            ),
            dropout=dropout,
            leaky_slope=_core.LEAKY_SLOPE,
        )
        return spec, out


@immutable
@dataclass(frozen=True, init=False)
class AvgPool2D(Pooling):
    """The mean of each patch, in each channel.

    Stands in the list of layers above the input or a hidden layer of shape (H, W) or (C, H, W). It has
    no weights and is not counted as a layer of the network: ``net.layers``, ``net.weights`` and
    ``net.deltas`` have no entry for it, ``net.pooling`` says where it is. Errors come back through its
    derivative, under every kind of feedback; B of the layer below it leads to what pooling leaves of
    that layer's units.

    Parameters
    ----------
    size : int or (int, int)
        Height and width of a patch. What is left over at the lower and right edge is in no patch.
    stride : int or (int, int), optional
        Between neighbouring patches. Default: size.

    Raises
    ------
    ValueError, TypeError
        If a value is outside its range or of the wrong kind.
    """

    size: tuple[int, int]
    stride: tuple[int, int]

    _patches: ClassVar[str] = "average"

    def __init__(
        self, size: int | Sequence[int], stride: int | Sequence[int] | None = None
    ) -> None:
        self._set(size, stride)


@immutable
@dataclass(frozen=True, init=False)
class MaxPool2D(Pooling):
    """The largest value of each patch, in each channel; where several are, the first gets the error.

    Where it may stand, and what it means for feedback, is as for :class:`AvgPool2D`.

    Parameters
    ----------
    size : int or (int, int)
        Height and width of a patch. What is left over at the lower and right edge is in no patch.
    stride : int or (int, int), optional
        Between neighbouring patches. Default: size.

    Raises
    ------
    ValueError, TypeError
        If a value is outside its range or of the wrong kind.
    """

    size: tuple[int, int]
    stride: tuple[int, int]

    _patches: ClassVar[str] = "max"

    def __init__(
        self, size: int | Sequence[int], stride: int | Sequence[int] | None = None
    ) -> None:
        self._set(size, stride)
