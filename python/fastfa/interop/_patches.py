"""Where the patches of layers that see images lie: their geometry as plain arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from ..layers.patches import OfPatches
    from ..layers.pooling import Pooling

Pair = tuple[int, int]


class Edges(NamedTuple):
    """What "same" padding adds around an image; nothing with "valid"."""

    before: Pair  # rows above and columns left of it
    after: Pair  # rows below and columns right of it


class Patches(NamedTuple):
    """Positions P = out_h · out_w in rows, inputs of a patch K = channels · kernel_h · kernel_w."""

    input: np.ndarray  # int32 (P, K): the flat input; 0 where the patch hangs over the edge
    inside: np.ndarray  # bool (P, K): whether it doesn't


def image_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """(channels, height, width) of an input (H, W) or (C, H, W)."""
    *channels, height, width = shape
    return (channels[0] if channels else 1), height, width


def edges(layer: OfPatches, shape: tuple[int, ...]) -> Edges:
    """The zeros around an input of this shape. Where they aren't even, the odd one is at the end."""
    _, *size = image_shape(shape)
    _, *positions = layer.output_shape(shape)
    around = [
        max((p - 1) * s + k - n, 0) if layer.padding == "same" else 0
        for p, s, k, n in zip(positions, layer.stride, layer.kernel_size, size, strict=True)
    ]
    before = around[0] // 2, around[1] // 2
    return Edges(before, (around[0] - before[0], around[1] - before[1]))


def patches(layer: OfPatches, shape: tuple[int, ...]) -> Patches:
    """The patches of a layer above an input of this shape."""
    _, *positions = layer.output_shape(shape)
    before = edges(layer, shape).before
    return _patches(image_shape(shape), positions, layer.kernel_size, layer.stride, before)


def pooled(pooling: Pooling, shape: tuple[int, ...]) -> np.ndarray:
    """int32 (P, size_h · size_w): the patches of one channel of an input of this shape."""
    _, *positions = pooling.output_shape(shape)
    channel = (1, *image_shape(shape)[1:])
    return _patches(channel, positions, pooling.size, pooling.stride, (0, 0)).input


def _patches(
    image: tuple[int, int, int], positions: list[int], kernel: Pair, stride: Pair, before: Pair
) -> Patches:
    channels, *size = image
    y, x = (
        np.arange(positions[d])[:, None] * stride[d] + np.arange(kernel[d]) - before[d]
        for d in (0, 1)
    )  # (out_h, kernel_h) and (out_w, kernel_w)
    rows, columns = y[:, None, None, :, None], x[None, :, None, None, :]
    c = np.arange(channels)[None, None, :, None, None]
    flat = (c * size[0] + rows) * size[1] + columns  # (out_h, out_w, channels, kernel_h, kernel_w)
    inside = (rows >= 0) & (rows < size[0]) & (columns >= 0) & (columns < size[1])
    inside = np.broadcast_to(inside, flat.shape).reshape(positions[0] * positions[1], -1)
    index = np.where(inside, flat.reshape(inside.shape), 0).astype(np.int32)
    return Patches(index, inside)
