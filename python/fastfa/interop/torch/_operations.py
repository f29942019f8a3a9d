"""What a layer with weights computes, and the products its backward pass is made of.

An `Operation` knows no rule. Its matrix B is laid out so that `as_weight` makes a stand-in for the
weights of it, or, where B has no such pattern, joins every value of an example with every other.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ._local import LocallyConnected2d

Rows = Callable[[Tensor], Tensor]  # (M, source) → (M, units)


class Operation(ABC):
    """y = f(x, W) + b, linear in x and in W; x and y have a row per example."""

    units: int  # B, as it is drawn, is (units, source)
    source: int
    sources: float  # how many elements of y reach an input, on average
    patterned = True  # whether B is laid out like the weights

    @abstractmethod
    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor: ...

    @abstractmethod
    def to_input(self, grad: Tensor, weight: Tensor, like: Tensor) -> Tensor:
        """The gradient of x, which is of the shape of ``like``."""

    @abstractmethod
    def to_weight(self, grad: Tensor, x: Tensor, weight: Tensor) -> Tensor: ...

    @abstractmethod
    def to_bias(self, grad: Tensor) -> Tensor: ...

    @abstractmethod
    def by_rows(self, rows: Rows, grad: Tensor, like: Tensor) -> Tensor:
        """The gradient of x, where only a function can multiply by B."""

    def lay(self, array: np.ndarray) -> np.ndarray:
        """B (units, source) as this operation keeps it."""
        return array

    def as_weight(self, matrix: Tensor) -> Tensor:
        return matrix

    def to_matrix(self, grad: Tensor, x: Tensor, grad_weight: Tensor) -> Tensor:
        """What B learns where W learns ``grad_weight``: memory of its own."""
        return grad_weight.clone()


@final
class Linear(Operation):
    def __init__(self, units: int, source: int) -> None:
        self.units, self.source = units, source
        self.sources = float(source)

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return F.linear(x, weight, bias)

    def to_input(self, grad: Tensor, weight: Tensor, like: Tensor) -> Tensor:
        return grad @ weight

    def to_weight(self, grad: Tensor, x: Tensor, weight: Tensor) -> Tensor:
        return grad.reshape(-1, self.source).T @ x.reshape(-1, self.units)

    def to_bias(self, grad: Tensor) -> Tensor:
        return grad.reshape(-1, self.source).sum(0)

    def by_rows(self, rows: Rows, grad: Tensor, like: Tensor) -> Tensor:
        return rows(grad.reshape(-1, self.source)).reshape(like.shape)

    def as_weight(self, matrix: Tensor) -> Tensor:
        return matrix.T

    def to_matrix(self, grad: Tensor, x: Tensor, grad_weight: Tensor) -> Tensor:
        return grad_weight.T.clone(memory_format=torch.contiguous_format)


class _Convolving(Operation):
    """Convolutions of either direction, by PyTorch's own backward products."""

    transposed: bool

    def __init__(self, layer: Any) -> None:
        self.stride, self.dilation, self.groups = layer.stride, layer.dilation, layer.groups
        self.padding: tuple[int, ...] = (0,) * len(layer.kernel_size)
        self.output_padding: tuple[int, ...] = (0,) * len(layer.kernel_size)
        self.shape = tuple(layer.weight.shape)
        self.dimensions = len(layer.kernel_size)

    def _padded(self, x: Tensor) -> Tensor:
        return x

    def _unpadded(self, grad: Tensor, like: Tensor) -> Tensor:
        return grad

    def _products(
        self, grad: Tensor, x: Tensor, weight: Tensor, which: tuple[bool, bool]
    ) -> tuple[Tensor, Tensor]:
        given = (self.stride, self.padding, self.dilation, self.transposed)
        to_x, to_w, _ = torch.ops.aten.convolution_backward(
            grad, x, weight, None, *given, self.output_padding, self.groups, (*which, False)
        )
        return to_x, to_w

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        given = (self.stride, self.padding, self.dilation, self.transposed)
        return torch.convolution(
            self._padded(x), weight, bias, *given, self.output_padding, self.groups
        )

    def to_input(self, grad: Tensor, weight: Tensor, like: Tensor) -> Tensor:
        to_x, _ = self._products(grad, self._padded(like), weight, (True, False))
        return self._unpadded(to_x, like)

    def to_weight(self, grad: Tensor, x: Tensor, weight: Tensor) -> Tensor:
        return self._products(grad, self._padded(x), weight, (False, True))[1]

    def to_bias(self, grad: Tensor) -> Tensor:
        return grad.sum((0, *range(2, grad.dim())))

    def _apart(self, rows: int) -> Tensor:
        """A kernel that takes patches apart: a map for each element of a patch."""
        return torch.eye(rows).reshape(rows, *self.shape[1:])


@final
class Convolution(_Convolving):
    """B (channels / groups · kernel, maps), laid out as W (maps, channels / groups, *kernel)."""

    transposed = False

    def __init__(self, layer: Any) -> None:
        super().__init__(layer)
        self.source, self.units = self.shape[0], math.prod(self.shape[1:])
        taps = math.prod(layer.kernel_size) / math.prod(layer.stride)
        self.sources = self.source / self.groups * taps
        self._edges: tuple[
            int, ...
        ] = ()  # what F.pad adds, before and after, from the last dimension
        self._mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
        total = [d * (k - 1) for d, k in zip(self.dilation, layer.kernel_size, strict=True)]
        same = layer.padding == "same"
        if same and self._mode == "constant" and not any(t % 2 for t in total):
            self.padding = tuple(t // 2 for t in total)
        elif same or (self._mode != "constant" and layer.padding != "valid"):
            self._edges = tuple(layer._reversed_padding_repeated_twice)
        elif layer.padding != "valid":
            self.padding = tuple(layer.padding)

    def _padded(self, x: Tensor) -> Tensor:
        return F.pad(x, self._edges, mode=self._mode) if any(self._edges) else x

    def _unpadded(self, grad: Tensor, like: Tensor) -> Tensor:
        if not any(self._edges):
            return grad
        with torch.enable_grad():
            x = torch.zeros_like(like).requires_grad_()
            return torch.autograd.grad(self._padded(x), x, grad)[0]

    def lay(self, array: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(array.T).reshape(self.shape)

    def by_rows(self, rows: Rows, grad: Tensor, like: Tensor) -> Tensor:
        # B for each position; then what patches send to the same input adds up.
        sent = rows(grad.flatten(2).transpose(1, 2).reshape(-1, self.source))
        sent = sent.reshape(len(grad), -1, self.units).transpose(1, 2)
        sent = sent.reshape(len(grad), self.units, *grad.shape[2:])
        return self.to_input(sent, self._apart(self.units).to(grad), like)


@final
class TransposedConvolution(_Convolving):
    """B (channels, maps / groups · kernel), laid out as W (channels, maps / groups, *kernel)."""

    transposed = True

    def __init__(self, layer: Any) -> None:
        super().__init__(layer)
        self.padding = tuple(layer.padding)
        self.output_padding = tuple(layer.output_padding)
        self.units, self.source = self.shape[0], math.prod(self.shape[1:])
        self.sources = float(self.source)

    def sized(self, output_padding: tuple[int, ...]) -> TransposedConvolution:
        """The same for an ``output_size`` that was asked for in the call."""
        if output_padding == self.output_padding:
            return self
        other = object.__new__(TransposedConvolution)
        other.__dict__.update(self.__dict__, output_padding=output_padding)
        return other

    def lay(self, array: np.ndarray) -> np.ndarray:
        return array.reshape(self.shape)

    def by_rows(self, rows: Rows, grad: Tensor, like: Tensor) -> Tensor:
        # An input has the elements of y in its patch as sources: taken apart by a convolution.
        given = (self.stride, self.padding, self.dilation, False, (0,) * self.dimensions, 1)
        columns = torch.convolution(grad, self._apart(self.source).to(grad), None, *given)
        inside: Any = (..., *(slice(n) for n in like.shape[2:]))
        columns = columns[inside]
        sent = rows(columns.flatten(2).transpose(1, 2).reshape(-1, self.source))
        sent = sent.reshape(len(grad), -1, self.units).transpose(1, 2)
        return sent.reshape(like.shape)


@final
class Local(Operation):
    """Our locally connected layer. ``patterned``: B as W; else B (inputs, outputs) of whole images."""

    def __init__(self, layer: LocallyConnected2d, *, patterned: bool = True) -> None:
        maps, height, width = layer.weight.shape[:3]
        self.image, self.patterned = layer._image, patterned
        self.shape = tuple(layer.weight.shape)
        self.kernel, self.stride = layer.layer.kernel_size, layer.layer.stride
        self.edges = layer._edges
        patch, inputs = math.prod(self.shape[3:]), math.prod(self.image)
        outputs = maps * height * width
        self.units, self.source = (outputs, patch) if patterned else (inputs, outputs)
        self.sources = outputs * patch / inputs if patterned else float(outputs)

    def _columns(self, x: Tensor) -> Tensor:
        images = F.pad(x.reshape(-1, *self.image), self.edges)
        return F.unfold(images, self.kernel, stride=self.stride)  # (N, K, P)

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        maps, height, width = self.shape[:3]
        flat = weight.reshape(maps, height * width, -1)
        out = torch.einsum("nkp,mpk->nmp", self._columns(x), flat)
        out = out.reshape(-1, maps, height, width)
        return out if bias is None else out + bias

    def to_input(self, grad: Tensor, weight: Tensor, like: Tensor) -> Tensor:
        maps, height, width = self.shape[:3]
        flat = weight.reshape(maps, height * width, -1)
        sent = torch.einsum("nmp,mpk->nkp", grad.reshape(-1, maps, height * width), flat)
        left, right, top, bottom = self.edges
        _, rows, columns = self.image
        size = (rows + top + bottom, columns + left + right)
        images = F.fold(sent, size, self.kernel, stride=self.stride)
        return images[:, :, top : top + rows, left : left + columns].reshape(like.shape)

    def to_weight(self, grad: Tensor, x: Tensor, weight: Tensor) -> Tensor:
        maps, height, width = self.shape[:3]
        flat = grad.reshape(-1, maps, height * width)
        return torch.einsum("nmp,nkp->mpk", flat, self._columns(x)).reshape(self.shape)

    def to_bias(self, grad: Tensor) -> Tensor:
        return grad.sum(0)

    def by_rows(self, rows: Rows, grad: Tensor, like: Tensor) -> Tensor:
        return rows(grad.flatten(1)).reshape(like.shape)

    def lay(self, array: np.ndarray) -> np.ndarray:
        return array.reshape(self.shape) if self.patterned else array

    def to_matrix(self, grad: Tensor, x: Tensor, grad_weight: Tensor) -> Tensor:
        if self.patterned:
            return grad_weight.clone()
        return x.reshape(len(x), -1).T @ grad.reshape(len(x), -1)


def operation_of(layer: nn.Module, *, patterned: bool = True) -> Operation:
    """That of a layer of a kind that can be converted."""
    if isinstance(layer, nn.Linear):
        return Linear(layer.in_features, layer.out_features)
    if isinstance(layer, LocallyConnected2d):
        return Local(layer, patterned=patterned)
    if isinstance(layer, nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d):
        return TransposedConvolution(layer)
    return Convolution(layer)
