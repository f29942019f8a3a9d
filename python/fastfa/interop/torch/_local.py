"""A locally connected layer in PyTorch: unfold, then a product for every position."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import torch

from ...layers import LocallyConnected2D
from .._patches import edges, image_shape


class LocallyConnected2d(torch.nn.Module):
    """Convolution without weight sharing; ``fastfa.LocallyConnected2D`` as a module.

    Parameters
    ----------
    input_shape : (H, W) or (C, H, W)
    maps, kernel_size, stride, padding
        As for ``fastfa.LocallyConnected2D``.
    bias : bool
    device, dtype
        As for PyTorch's own layers.

    Attributes
    ----------
    weight : Parameter (maps, out_h, out_w, channels, kernel_h, kernel_w)
        Starts as U(−1/√K, 1/√K), K = channels · kernel_h · kernel_w, from PyTorch's generator.
    bias : Parameter (maps, out_h, out_w) or None
        Starts at 0.

    Raises
    ------
    ValueError, TypeError
        As for ``fastfa.LocallyConnected2D``.
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        maps: int,
        kernel_size: int | Sequence[int],
        *,
        stride: int | Sequence[int] = 1,
        padding: Literal["valid", "same"] = "valid",
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        layer = LocallyConnected2D(maps, kernel_size, stride=stride, padding=padding, bias=bias)
        layer._build(tuple(input_shape), "LocallyConnected2d", 0.0)  # refuses what doesn't fit
        self.layer, self.input_shape = layer, tuple(input_shape)
        self._image = image_shape(self.input_shape)
        (top, left), (bottom, right) = edges(layer, self._image)
        self._edges = (left, right, top, bottom)
        shape = layer.output_shape(self._image)
        patch = (self._image[0], *layer.kernel_size)
        self.weight = torch.nn.Parameter(torch.empty(*shape, *patch, device=device, dtype=dtype))
        bound = 1 / math.sqrt(math.prod(patch))
        torch.nn.init.uniform_(self.weight, -bound, bound)
        self.bias = (
            torch.nn.Parameter(torch.zeros(shape, device=device, dtype=dtype)) if bias else None
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x (N, C, H, W), (N, H, W) or (N, n_in) → (N, maps, out_h, out_w)."""
        maps, height, width = self.weight.shape[:3]
        images = torch.nn.functional.pad(x.reshape(-1, *self._image), self._edges)
        columns = torch.nn.functional.unfold(
            images, self.layer.kernel_size, stride=self.layer.stride
        )  # (N, K, P)
        weight = self.weight.reshape(maps, height * width, -1)
        out = torch.einsum("nkp,mpk->nmp", columns, weight).reshape(-1, maps, height, width)
        return out if self.bias is None else out + self.bias

    def extra_repr(self) -> str:
        """What the module's printed form says in brackets."""
        return f"{self.input_shape}, {self.layer}"
