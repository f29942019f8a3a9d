"""Where the patches of a locally connected layer lie: its geometry as plain arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from ..layers import LocallyConnected2D


class Patches(NamedTuple):
    """Positions P = out_h · out_w in rows, inputs of a patch K = channels · kernel_h · kernel_w."""

    input: np.ndarray  # int32 (P, K): the flat input; 0 where the patch hangs over the edge
    inside: np.ndarray  # bool (P, K): whether it doesn't
    before: tuple[int, int]  # rows above and columns left of the image that "same" padding adds
    after: tuple[int, int]  # rows below and columns right of it


def image_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """(channels, height, width) of an input (H, W) or (C, H, W)."""
    *channels, height, width = shape
    return (channels[0] if channels else 1), height, width


def patches(layer: LocallyConnected2D, shape: tuple[int, ...]) -> Patches:
    """The patches of a layer above an input of this shape."""
    channels, *size = image_shape(shape)
    _, *positions = layer.output_shape(shape)
    # Padding that isn't even has its odd one at the end.
    around = [
        max((p - 1) * s + k - n, 0) if layer.padding == "same" else 0
        for p, s, k, n in zip(positions, layer.stride, layer.kernel_size, size, strict=True)
    ]
    before = around[0] // 2, around[1] // 2
    y, x = (
        np.arange(positions[d])[:, None] * layer.stride[d]
        + np.arange(layer.kernel_size[d])
        - before[d]
        for d in (0, 1)
    )  # (out_h, kernel_h) and (out_w, kernel_w)
    rows, columns = y[:, None, None, :, None], x[None, :, None, None, :]
    c = np.arange(channels)[None, None, :, None, None]
    flat = (c * size[0] + rows) * size[1] + columns  # (out_h, out_w, channels, kernel_h, kernel_w)
    inside = (rows >= 0) & (rows < size[0]) & (columns >= 0) & (columns < size[1])
    inside = np.broadcast_to(inside, flat.shape).reshape(positions[0] * positions[1], -1)
    index = np.where(inside, flat.reshape(inside.shape), 0).astype(np.int32)
    return Patches(index, inside, before, (around[0] - before[0], around[1] - before[1]))
