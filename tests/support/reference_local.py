"""Locally connected layers in float64 NumPy: the matrix that such a layer is.

One equation, written once, in ``places``::

    a[m,y,x] = Σ_(c,i,j) W[m,y,x,c,i,j] h[c, s_h y + i - p_h, s_w x + j - p_w] + b[m,y,x]

with h zero outside the image. So a local layer is a dense one whose (n_out, n_in) matrix has
W[m,y,x,c,i,j] in row (m,y,x) and column (c, s_h y + i - p_h, s_w x + j - p_w), and zeros elsewhere;
what the dense layer does, forward and backward, it does too. ``dense`` makes that matrix, ``kept``
reads a matrix where the layer connects: the gradient of W from δᵀh. A weight whose input lies outside
the image has gradient zero; everything else about learning holds for it too.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Local:
    """A locally connected layer above an image of shape (C, H, W), apart from its numbers."""

    activation: str
    image: tuple[int, int, int]
    maps: int
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: str = "valid"
    trainable: bool = True
    density: float = 1.0  # as Layer's: all weights exist

    @property
    def geometry(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Positions (out_h, out_w), and zeros before the image (p_h, p_w)."""
        out, before = [], []
        for size, k, s in zip(self.image[1:], self.kernel, self.stride, strict=True):
            if self.padding == "valid":
                out.append((size - k) // s + 1)
                before.append(0)
            else:
                out.append(int(np.ceil(size / s)))
                before.append(max((out[-1] - 1) * s + k - size, 0) // 2)
        return tuple(out), tuple(before)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of W: (maps, out_h, out_w, channels, k_h, k_w)."""
        return (self.maps, *self.geometry[0], self.image[0], *self.kernel)

    @property
    def units(self) -> int:
        """maps · out_h · out_w."""
        return int(np.prod(self.shape[:3]))

    @cached_property
    def places(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Row and column of each weight, and whether its input lies inside; all shaped as W."""
        (_, out_h, out_w), (p_h, p_w) = self.shape[:3], self.geometry[1]
        m, y, x, c, i, j = np.ogrid[tuple(slice(n) for n in self.shape)]
        (s_h, s_w), (_, height, width) = self.stride, self.image
        row, column = s_h * y + i - p_h, s_w * x + j - p_w
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        unit = (m * out_h + y) * out_w + x
        pixel = (c * height + row) * width + column
        return tuple(np.broadcast_to(a, self.shape) for a in (unit, pixel, inside))

    def dense(self, w: np.ndarray) -> np.ndarray:
        """The matrix (n_out, n_in) that has w, shaped as W, where the layer connects."""
        unit, pixel, inside = self.places
        matrix = np.zeros((self.units, int(np.prod(self.image))))
        matrix[unit[inside], pixel[inside]] = w[inside]
        return matrix

    def kept(self, matrix: np.ndarray) -> np.ndarray:
        """The elements of a matrix (n_out, n_in) where the layer connects, shaped as W."""
        unit, pixel, inside = self.places
        w = np.zeros(self.shape)
        w[inside] = matrix[unit[inside], pixel[inside]]
        return w


def of(layer, below: tuple[int, ...]) -> Local:
    """The reference's of a ``fastfa.LocallyConnected2D`` above something of shape ``below``."""
    image = (1, *below) if len(below) == 2 else tuple(below)
    names = ("kernel_size", "stride", "padding", "trainable")
    return Local(layer.activation, image, layer.maps, *(getattr(layer, n) for n in names))
