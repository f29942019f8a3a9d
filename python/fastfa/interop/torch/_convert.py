"""Networks as PyTorch modules, and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from functools import singledispatch
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import nn

from ... import _check
from ...layers import Conv2D, Dense, Dropout, Layer, LocallyConnected2D, MaxPool2D, Weighted
from ...layers.activation import named
from ...network import Network, _arguments
from ...network.parameters import LossName
from .._matrices import changed
from ._feedback import FeedbackLinear
from ._images import (
    conv_of,
    input_below,
    padded_conv,
    pool,
    pooling_of,
    to_images,
    unflattened,
)
from ._local import LocallyConnected2d

# fastfa's activations as modules that need no argument.
_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "logistic": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "hard_tanh": nn.Hardtanh,
    "softplus": nn.Softplus,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
}


def to_module(net: Network, *, share: bool = False, feedback: bool = False) -> nn.Sequential:
    """A module that computes what ``net.forward`` does, in the network's dtype.

    Parameters
    ----------
    net : Network
    share : bool
        Whether its parameters are views of the network's memory, so that training either trains both;
        else copies. Shared ones have strides, and must not be written to while the network computes.
    feedback : bool
        Whether its backward pass is the network's feedback, as it is now (:class:`FeedbackLinear`);
        else it is backprop. For dense layers above the first, with layerwise feedback.

    Returns
    -------
    torch.nn.Sequential
        Takes (N, n_in) or (N, *input_shape), gives (N, n_out). In evaluation mode, so that dropout is
        off as in ``forward``; ``.train()`` turns it on. Layers that are not trainable don't require
        gradients. Rates of a layer's own (``lr_scale`` and the like) stay behind: with PyTorch they are
        parameter groups of its optimizer.

    Raises
    ------
    ValueError, TypeError
        If net isn't a Network, or its feedback can't be that of a module.
    """
    if not isinstance(net, Network):
        raise TypeError(f"[to_module] net was {net!r}; it must be a fastfa.Network")
    modules: list[nn.Module] = []
    if net.pooling[0] or isinstance(net.layers[0], Conv2D):
        modules += to_images(net.input_shape)
    modules += map(pool, net.pooling[0])
    for i, layer in enumerate(net.layers):
        if layer.fully_connected and len(net._below[i]) > 1:
            modules.append(nn.Flatten())
        if net.dropout[i]:
            modules.append(nn.Dropout(net.dropout[i]))
        *zeros, module = _weighted(layer, net, i, feedback=feedback and i > 0)
        _fill(module, net.weights[i], net.biases[i], share)
        module.requires_grad_(layer.trainable)
        modules += [*zeros, module]
        if i == len(net.layers) - 1 and len(net.shapes[-1]) > 1:
            modules.append(nn.Flatten())
        if layer.activation != "linear":
            modules.append(_module(layer))
        modules += map(pool, net.pooling[i + 1])
    return nn.Sequential(*modules).eval()


def from_module(
    module: nn.Module,
    *,
    input: int | Sequence[int] | None = None,
    feedback: Any = "fa",
    loss: LossName = "squared_error",
    seed: int = 0,
) -> Network:
    """A network with the layers and weights of a module; the weights are copied.

    Parameters
    ----------
    module : torch.nn.Module
        A layer or a Sequential, nested as you like, of ``Linear`` (also :class:`FeedbackLinear`, whose
        matrix is not taken over), ``Conv2d``, :class:`LocallyConnected2d`, ``AvgPool2d``,
        ``MaxPool2d``, ``Sigmoid``, ``Tanh``, ``ReLU``, ``LeakyReLU``, ``Hardtanh``, ``Softplus``,
        ``ELU``, ``GELU``, ``SiLU``, ``Softmax``, ``Identity``, ``Flatten`` and ``Dropout``; float32 or
        float64. An activation that never falls may stand above ``MaxPool2d``: below it is the same.
        ``ZeroPad2d`` may stand below a ``Conv2d``, and an ``Unflatten`` that makes images of
        the input below all.
    input : int or tuple of int, optional
        The network's input where its first layer doesn't tell: the shape of an image.
    feedback, loss, seed
        As for ``Network``.

    Raises
    ------
    ValueError, TypeError
        If the module has a part that fastfa hasn't, which is named, or for the reasons of ``Network``.
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"[from_module] module was {module!r}; it must be a torch.nn.Module")
    layers, sources, shape = _layers(
        module, None if input is None else _arguments.input_shape(input)
    )
    if not sources:
        raise ValueError(f"[from_module] module was {module!r}; it must have a layer with weights")
    net = Network(
        shape if len(shape) > 1 else shape[0],
        layers,
        feedback,
        loss=loss,
        seed=seed,
        dtype=_dtype(sources),
    )
    arrays = [_array(source.weight) for source in sources]
    for i, (own, array) in enumerate(zip(net.weights, arrays, strict=True)):
        if own.shape != array.shape:
            raise ValueError(
                f"[from_module] layer {i}'s weight has shape {array.shape}; above an input of shape "
                f"{net._below[i]} it must be {own.shape}"
            )
        _check.finite("from_module", f"layer {i}'s weight", array)
        own[...] = array
        if net.biases[i] is not None:
            bias = _array(sources[i].bias).reshape(-1)
            _check.finite("from_module", f"layer {i}'s bias", bias)
            net.biases[i][...] = bias
    return net


def _dtype_of(net: Network) -> torch.dtype:
    return torch.float64 if net.dtype == np.float64 else torch.float32


Source: TypeAlias = nn.Linear | nn.Conv2d | LocallyConnected2d


def _layers(
    module: nn.Module, shape: tuple[int, ...] | None
) -> tuple[list[Layer], list[Source], tuple[int, ...]]:
    """The layers, the modules whose weights they have, and the input's shape."""
    layers: list[Layer] = []
    sources: list[Source] = []
    first, zeros = shape, (0, 0, 0, 0)  # around the image: left, right, top, bottom
    flat = False
    for name, part in _parts(module, "module"):
        if any(zeros) and not isinstance(part, nn.Conv2d):
            raise ValueError(f"[from_module] {name} was {part!r}; a Conv2d must follow a ZeroPad2d")
        pooling = pooling_of(name, part)
        if isinstance(part, nn.Identity | nn.Flatten):
            flat = flat or isinstance(part, nn.Flatten)
            continue
        if isinstance(part, nn.ZeroPad2d):
            zeros = part.padding
        elif isinstance(part, nn.Unflatten) and not layers:
            shape = unflattened(name, part, shape)
            first = shape
        elif isinstance(part, nn.Dropout):
            layers.append(Dropout(part.p))
        elif pooling is not None or isinstance(part, Source):
            if shape is None:
                first = shape = input_below(name, part)
            flat = isinstance(part, nn.Linear)
            layer = pooling or _description(name, part, shape, zeros)
            zeros = (0, 0, 0, 0)
            layers.append(layer)
            if isinstance(part, Source):
                sources.append(part)
            shape = layer._build(shape, f"the layer of {name}", 0.0)[1]
        else:
            activation = _activation(name, part)
            if isinstance(part, nn.Softmax) and not flat:
                raise ValueError(
                    f"[from_module] {name} was {part!r} of images; a Flatten must stand below it"
                )
            at = _activated(layers, activation["activation"])
            last: Any = layers[at] if layers else None
            if getattr(last, "activation", None) != "linear":
                raise ValueError(
                    f"[from_module] {name} was {part!r}; an activation must follow a layer with "
                    "weights, or, if it never falls, max pooling above one"
                )
            layers[at] = dataclasses.replace(last, **activation)
    return layers, sources, first or (1,)


# σ(max a) = max σ(a) for those that never fall, so that they may stand above max pooling in PyTorch.
_FALLING = ("gelu", "silu", "softmax")


def _activated(layers: Sequence[Layer], activation: str) -> int:
    """The place of the layer whose outputs an activation is of."""
    at = len(layers) - 1
    while at > 0 and isinstance(layers[at], MaxPool2D) and activation not in _FALLING:
        at -= 1
    return at


@singledispatch
def _weighted(layer: Weighted, net: Network, i: int, *, feedback: bool) -> list[nn.Module]:
    """The module that has layer i's weights, and perhaps one below it that pads."""
    raise TypeError(
        f"[to_module] layers[{i}] was {layer!r}, a kind of layer that PyTorch isn't told of"
    )


@_weighted.register
def _local(layer: LocallyConnected2D, net: Network, i: int, *, feedback: bool) -> list[nn.Module]:
    _refuse_feedback(layer, i, feedback)
    local = LocallyConnected2d(
        net._below[i],
        layer.maps,
        layer.kernel_size,
        stride=layer.stride,
        padding=layer.padding,
        bias=layer.bias,
        dtype=_dtype_of(net),
    )
    return [local]


@_weighted.register
def _conv(layer: Conv2D, net: Network, i: int, *, feedback: bool) -> list[nn.Module]:
    _refuse_feedback(layer, i, feedback)
    return padded_conv(layer, net._below[i], _dtype_of(net))


def _refuse_feedback(layer: Weighted, i: int, feedback: bool) -> None:
    if feedback:
        raise ValueError(
            f"[to_module] feedback was True for layers[{i}], a {type(layer).__name__} above a layer "
            "with weights; it must be a Dense"
        )


@_weighted.register
def _dense(layer: Dense, net: Network, i: int, *, feedback: bool) -> list[nn.Module]:
    dtype = _dtype_of(net)
    units = int(np.prod(net._below[i]))
    if not feedback:
        return [nn.Linear(units, layer.units, layer.bias, dtype=dtype)]
    if not isinstance(net.feedback, tuple):
        raise ValueError(
            f"[to_module] feedback was True for a network with {net.feedback!r}; it must have feedback "
            "matrices"
        )
    rule = net.feedback[i - 1]
    if rule._kind not in ("transpose", "pseudoinverse", "sign", "zero", "custom", "procedural"):
        # B as it is, which may have learned or been written to.
        rule = changed(
            rule,
            matrix="array",
            array=net.feedback_matrices[i - 1],
            scale="equal_error",
            gain=None,
            growth=None,
            density=None,
            rank=None,
        )
    elif isinstance(rule.scale, str):
        rule = rule._with_scale(net.feedback_scales[i - 1])
    linear = FeedbackLinear(
        units, layer.units, layer.bias, feedback=rule, seed=net.seed, layer=i - 1, dtype=dtype
    )
    return [linear]


def _fill(module: nn.Module, weight: np.ndarray, bias: np.ndarray | None, share: bool) -> None:
    for name, array in {"weight": weight, "bias": bias}.items():
        if array is None:
            continue
        parameter = getattr(module, name)
        values = torch.from_dlpack(array).reshape(parameter.shape)
        if share:
            setattr(module, name, nn.Parameter(values))
        else:
            parameter.data.copy_(values)


def _parts(module: nn.Module, name: str) -> Iterator[tuple[str, nn.Module]]:
    """The modules in the order of the data, with their names."""
    if not isinstance(module, nn.Sequential):
        yield name, module
        return
    for index, part in enumerate(module):
        yield from _parts(part, f"{name}[{index}]")


def _description(
    name: str, source: Source, shape: tuple[int, ...], zeros: Sequence[int]
) -> Weighted:
    given: dict[str, Any] = {
        "bias": source.bias is not None,
        "trainable": source.weight.requires_grad,
    }
    if isinstance(source, nn.Linear):
        return Dense(source.out_features, **given)
    if isinstance(source, nn.Conv2d):
        return conv_of(name, source, shape, zeros, **given)
    layer = source.layer
    return LocallyConnected2D(
        layer.maps, layer.kernel_size, stride=layer.stride, padding=layer.padding, **given
    )


def _module(layer: Weighted) -> nn.Module:
    """The layer's σ."""
    if layer.activation == "leaky_relu":
        return nn.LeakyReLU(layer.leaky_slope)
    if layer.activation == "softmax":
        return nn.Softmax(dim=1)
    return _ACTIVATIONS[named("to_module", layer)]()


# What else a module may say of its σ, and what it must be for σ to be fastfa's.
_SETTINGS: dict[type[nn.Module], dict[str, tuple[Any, ...]]] = {
    nn.Softmax: {"dim": (1, -1)},
    nn.Hardtanh: {"min_val": (-1,), "max_val": (1,)},
    nn.Softplus: {"beta": (1,)},
    nn.ELU: {"alpha": (1,)},
    nn.GELU: {"approximate": ("none",)},
}


def _activation(name: str, part: nn.Module) -> dict[str, Any]:
    """The arguments of a layer below this module."""
    for setting, allowed in _SETTINGS.get(type(part), {}).items():
        value = getattr(part, setting)
        if value not in allowed:
            wanted = " or ".join(map(repr, allowed))
            raise ValueError(f"[from_module] {name}.{setting} was {value!r}; it must be {wanted}")
    if isinstance(part, nn.LeakyReLU):
        return {"activation": "leaky_relu", "leaky_slope": part.negative_slope}
    if isinstance(part, nn.Softmax):
        return {"activation": "softmax"}
    for activation, kind in _ACTIVATIONS.items():
        if type(part) is kind:
            return {"activation": activation}
    raise TypeError(
        f"[from_module] {name} was {part!r}; it must be a Sequential, Linear, Conv2d, "
        "LocallyConnected2d, AvgPool2d, MaxPool2d, Flatten, Dropout, Identity or one of fastfa's "
        "activations"
    )


def _dtype(sources: Sequence[nn.Module]) -> str:
    found = {source.weight.dtype for source in sources}
    known = {torch.float32: "float32", torch.float64: "float64"}
    if len(found) > 1 or not found <= known.keys():
        raise TypeError(
            f"[from_module] module has {', '.join(sorted(map(str, found)))} weights; all must be "
            "float32, or all float64"
        )
    return known[found.pop()]


def _array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy()
