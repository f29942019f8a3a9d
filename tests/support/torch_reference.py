"""What a converted model's gradients are by the equations: NumPy, float64, written out.

A converted layer sends B δ to its input, whatever stands around it; all else has its own derivative. The
reference walks the same modules and reads their parameters, and knows nothing of how they are converted.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from fastfa.interop.torch import LocallyConnected2d
from torch import nn
from torch_trees import Array, Branches, Residual, Twice

Back = Callable[[Array], Array]


class Reference:
    """Gradients by name, of the loss ½ Σ (y − y*)² / N.

    ``sent(name, module, delta, x)`` is what a layer with weights sends to its input; None: its own Wᵀ δ.
    """

    def __init__(self, model: nn.Module, send: Callable[..., Array | None]) -> None:
        self.model, self.send = model, send
        self.names = {id(module): name for name, module in model.named_modules()}
        self.gradients: dict[str, Array] = {}
        self.inputs: dict[str, list[tuple[Array, Array]]] = {}
        self.error: Array | None = None

    def run(self, x: Array, target: Array) -> Array:
        y, back = self.forward(self.model, x)
        self.error = (y - target) / len(x)
        back(self.error)
        return y

    def forward(self, module: nn.Module, x: Array) -> tuple[Array, Back]:
        if isinstance(module, nn.Sequential):
            backs = []
            for part in module:
                x, back = self.forward(part, x)
                backs.append(back)
            return x, _chain(backs)
        if isinstance(module, Residual):
            y, back = self.forward(module.body, x)
            return x + y, lambda g: g + back(g)
        if isinstance(module, Branches):
            a, left = self.forward(module.left, x)
            b, right = self.forward(module.right, x)
            cut = a.shape[1]
            return np.concatenate([a, b], 1), lambda g: left(g[:, :cut]) + right(g[:, cut:])
        if isinstance(module, Twice):
            a, first = self.forward(module.body, x)
            y, second = self.forward(module.body, np.sin(a))
            return y, lambda g: first(second(g) * np.cos(a))
        if isinstance(module, nn.Flatten):
            return x.reshape(len(x), -1), lambda g: g.reshape(x.shape)
        if isinstance(module, nn.Tanh):
            y = np.tanh(x)
            return y, lambda g: g * (1 - y**2)
        if isinstance(module, nn.ReLU | nn.LeakyReLU):
            slope = np.where(x > 0, 1.0, getattr(module, "negative_slope", 0.0))
            return x * slope, lambda g: g * slope
        if isinstance(module, nn.LayerNorm):
            return self._norm(module, x, tuple(range(1, x.ndim)), (0,), x.shape[1:])
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
            over = (0, *range(2, x.ndim))
            return self._norm(module, x, over, over, (-1, *[1] * (x.ndim - 2)))
        return self._weighted(module, x)

    def _norm(self, module: Any, x: Array, axes: tuple, of_gain: tuple, shape: tuple) -> Any:
        gain, shift = (_value(p).reshape(shape) for p in (module.weight, module.bias))
        middle, sd = x.mean(axes, keepdims=True), np.sqrt(x.var(axes, keepdims=True) + module.eps)
        z, name = (x - middle) / sd, self.names[id(module)]

        def back(g: Array) -> Array:
            self._learn(f"{name}.weight", (g * z).sum(of_gain))
            self._learn(f"{name}.bias", g.sum(of_gain))
            g = g * gain
            mean = g.mean(axes, keepdims=True)
            return (g - mean - z * (g * z).mean(axes, keepdims=True)) / sd

        return z * gain + shift, back

    def _weighted(self, module: Any, x: Array) -> tuple[Array, Back]:
        name, weight = self.names[id(module)], _value(module.weight)
        product = product_of(module, x)
        y = product.forward(x, weight)
        if module.bias is not None:
            bias = _value(module.bias)
            y = y + (
                bias if isinstance(module, nn.Linear | LocallyConnected2d) else _column(bias, y)
            )

        def back(g: Array) -> Array:
            self._learn(f"{name}.weight", product.to_weight(g, x, weight))
            if module.bias is not None:
                every = (0,) if isinstance(module, LocallyConnected2d) else (0, *range(2, g.ndim))
                self._learn(f"{name}.bias", g.sum(every))
            self.inputs.setdefault(name, []).append((x, g))
            sent = self.send(name, module, g, x, product)
            return product.to_input(g, x, weight) if sent is None else sent

        return y, back

    def _learn(self, name: str, grad: Array) -> None:
        self.gradients[name] = self.gradients.get(name, 0) + grad


def _chain(backs: list[Back]) -> Back:
    def back(g: Array) -> Array:
        for one in reversed(backs):
            g = one(g)
        return g

    return back


def _value(tensor: torch.Tensor) -> Array:
    return tensor.detach().double().numpy().copy()


def _column(bias: Array, y: Array) -> Array:
    return bias.reshape(1, -1, *[1] * (y.ndim - 2))


class Product:
    """y[n, o] = Σ W[o, i] x[n, i]."""

    def forward(self, x: Array, w: Array) -> Array:
        return np.einsum("ni,oi->no", x, w)

    def to_input(self, g: Array, x: Array, w: Array) -> Array:
        return np.einsum("no,oi->ni", g, w)

    def to_weight(self, g: Array, x: Array, w: Array) -> Array:
        return np.einsum("no,ni->oi", g, x)


class Convolved(Product):
    """y[n, o, p] = Σ_ck W[o, c, k] x[n, c, at(p, k)]; at is −1 beyond the edge.

    ``turned``: the other way about, y[n, o, at(p, k)] = Σ_c W[c, o, k] x[n, c, p].
    """

    def __init__(self, at: Array, groups: int, out: tuple[int, ...], turned: bool) -> None:
        self.at, self.groups, self.out, self.turned = at, groups, out, turned

    def _columns(self, x: Array) -> Array:
        """(N, C, P, K)"""
        wide = np.concatenate([x.reshape(*x.shape[:2], -1), np.zeros((*x.shape[:2], 1))], 2)
        return wide[:, :, self.at]

    def _spread(self, columns: Array, size: tuple[int, ...]) -> Array:
        wide = np.zeros((*columns.shape[:2], math.prod(size) + 1))
        np.add.at(wide, (slice(None), slice(None), self.at), columns)
        return wide[:, :, :-1].reshape(*columns.shape[:2], *size)

    def _grouped(self, equation: str, a: Array, b: Array, axes: tuple[int, int], to: int) -> Array:
        """The equation for each group of channels, put together along `to`."""
        pairs = zip(
            np.split(a, self.groups, axes[0]), np.split(b, self.groups, axes[1]), strict=True
        )
        return np.concatenate([np.einsum(equation, u, v) for u, v in pairs], to)

    def forward(self, x: Array, w: Array) -> Array:
        flat = w.reshape(*w.shape[:2], -1)
        if self.turned:
            h = x.reshape(*x.shape[:2], -1)
            columns = self._grouped("ncp,cok->nopk", h, flat, (1, 0), 1)
            return self._spread(columns, self.out)
        y = self._grouped("ncpk,ock->nop", self._columns(x), flat, (1, 0), 1)
        return y.reshape(*y.shape[:2], *self.out)

    def to_input(self, g: Array, x: Array, w: Array) -> Array:
        flat = w.reshape(*w.shape[:2], -1)
        if self.turned:
            return self._grouped("nopk,cok->ncp", self._columns(g), flat, (1, 0), 1).reshape(
                x.shape
            )
        h = g.reshape(*g.shape[:2], -1)
        columns = self._grouped("nop,ock->ncpk", h, flat, (1, 0), 1)
        return self._spread(columns, x.shape[2:])

    def to_weight(self, g: Array, x: Array, w: Array) -> Array:
        if self.turned:
            h = x.reshape(*x.shape[:2], -1)
            return self._grouped("nopk,ncp->cok", self._columns(g), h, (1, 1), 0).reshape(w.shape)
        h = g.reshape(*g.shape[:2], -1)
        return self._grouped("nop,ncpk->ock", h, self._columns(x), (1, 1), 0).reshape(w.shape)


class Locally(Product):
    """y[n, o, p] = Σ_ck W[o, p, c, k] x[n, c, at(p, k)]."""

    def __init__(self, at: Array, out: tuple[int, ...]) -> None:
        self.at, self.out = at, out

    def _flat(self, w: Array) -> Array:
        return w.reshape(w.shape[0], w.shape[1] * w.shape[2], w.shape[3], -1)

    def forward(self, x: Array, w: Array) -> Array:
        columns = Convolved(self.at, 1, self.out, False)._columns(x)
        y = np.einsum("ncpk,opck->nop", columns, self._flat(w))
        return y.reshape(*y.shape[:2], *self.out)

    def to_input(self, g: Array, x: Array, w: Array) -> Array:
        columns = np.einsum("nop,opck->ncpk", g.reshape(*g.shape[:2], -1), self._flat(w))
        return Convolved(self.at, 1, self.out, False)._spread(columns, x.shape[2:])

    def to_weight(self, g: Array, x: Array, w: Array) -> Array:
        columns = Convolved(self.at, 1, self.out, False)._columns(x)
        return np.einsum("nop,ncpk->opck", g.reshape(*g.shape[:2], -1), columns).reshape(w.shape)


def product_of(module: Any, x: Array) -> Product:
    if isinstance(module, nn.Linear):
        return Product()
    size = x.shape[2:]
    if isinstance(module, LocallyConnected2d):
        kernel, stride, dilation = module.layer.kernel_size, module.layer.stride, (1, 1)
        left, right, top, bottom = module._edges
        out = tuple(module.weight.shape[1:3])
        return Locally(
            _places(size, [(top, bottom), (left, right)], kernel, stride, dilation, out), out
        )
    kernel, stride, dilation = module.kernel_size, module.stride, module.dilation
    if hasattr(module, "output_padding") and "Transpose" in type(module).__name__:
        out = tuple(
            (n - 1) * s - 2 * p + d * (k - 1) + e + 1
            for n, s, p, d, k, e in zip(
                size, stride, module.padding, dilation, kernel, module.output_padding, strict=True
            )
        )
        # The places of y that each x reaches: those a convolution from y to x would read.
        edges = [(p, p + max(kernel)) for p in module.padding]
        return Convolved(
            _places(out, edges, kernel, stride, dilation, size), module.groups, out, True
        )
    if module.padding == "same":
        total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        edges = [(t // 2, t - t // 2) for t in total]
    else:
        edges = [(p, p) for p in module.padding]
    out = tuple(
        (n + a + b - d * (k - 1) - 1) // s + 1
        for n, (a, b), d, k, s in zip(size, edges, dilation, kernel, stride, strict=True)
    )
    mode = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
    at = _places(size, edges, kernel, stride, dilation, out, mode[module.padding_mode])
    return Convolved(at, module.groups, out, False)


def _places(size, edges, kernel, stride, dilation, out, mode="constant") -> Array:
    """(P, K): which input each tap of each position reads; −1 beyond the edge."""
    where = np.arange(math.prod(size)).reshape(size)
    beyond = {"constant_values": -1} if mode == "constant" else {}
    where = np.pad(where, edges, mode=mode, **beyond)
    found = np.empty((math.prod(out), math.prod(kernel)), int)
    for p, position in enumerate(np.ndindex(*out)):
        for k, tap in enumerate(np.ndindex(*kernel)):
            at = tuple(
                i * s + d * t for i, s, d, t in zip(position, stride, dilation, tap, strict=True)
            )
            found[p, k] = where[at]
    return found
