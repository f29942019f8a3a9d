"""ONNX: a network's forward pass as a model that other runtimes load.

>>> import fastfa as fa
>>> net = fa.Network((28, 28), [fa.LocallyConnected2D(6, 6, activation="tanh"), fa.Dense(10)])
>>> fa.interop.onnx.export(net, "net.onnx")
"""

from __future__ import annotations

import os
from functools import singledispatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import __version__
from ..atomic import atomic_write
from ..layers import AvgPool2D, Conv2D, Dense, LocallyConnected2D, Pooling, Weighted
from ..layers.activation import named
from ..network import Network
from ._patches import edges, image_shape, patches, pooled
from ._peers import need

need("interop.onnx", "onnx", "the onnx package", "onnx")

import onnx  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["export", "to_model"]


def __dir__() -> list[str]:
    return sorted(__all__)


OPSET, IR_VERSION = 17, 8  # of 2022: runtimes older than the onnx package can read them
MAX_BYTES = 2**31 - 2**20  # a protobuf message ends at 2 GiB

_ACTIVATIONS = {"logistic": "Sigmoid", "tanh": "Tanh", "relu": "Relu"}


def export(net: Network, path: str | os.PathLike[str]) -> None:
    """Write the network's forward pass to an ONNX file.

    Input ``X`` (N, *input_shape), output ``Y`` (N, n_out), N free, both of the network's dtype; an
    input given as (H, W) or (C, H, W) stays an image. Operators of opset 17. Dropout is left out, as
    in ``forward``. Feedback isn't part of the forward pass: its description, the loss and the seed
    are in the file's metadata. ``gelu`` is by the operator Erf, which ONNX Runtime has for float32 only.
    A convolution is a Conv, in float64 a Gather and a MatMul.

    Parameters
    ----------
    net : Network
    path : str or path-like
        Appears whole or not at all.

    Raises
    ------
    TypeError
        If net isn't a Network.
    ValueError
        If the model has more than 2 GiB, an ONNX file's limit.
    """
    if not isinstance(net, Network):
        raise TypeError(f"[export] net was {net!r}; it must be a fastfa.Network")
    size = sum(w.nbytes for w in net.weights)
    if size > MAX_BYTES:
        raise ValueError(
            f"[export] net has {size} bytes of weights; an ONNX file can't have more than {MAX_BYTES}"
        )
    data = to_model(net).SerializeToString()
    with atomic_write(Path(path)) as file:
        file.write(data)


def to_model(net: Network) -> ModelProto:
    """The same as an ``onnx.ModelProto``.

    Raises
    ------
    TypeError
        If net isn't a Network.
    onnx.checker.ValidationError
        Never, unless this code is wrong: every model is checked.
    """
    if not isinstance(net, Network):
        raise TypeError(f"[to_model] net was {net!r}; it must be a fastfa.Network")
    graph = _Graph(net.dtype)
    h = "X"
    if len(net.input_shape) == 3:
        graph.marked(h)
    elif len(net.input_shape) == 2:
        h = graph.node("Flatten", h, axis=1)
    h = _pooled(graph, net, 0, h)
    for i, layer in enumerate(net.layers):
        a = _product(layer, graph, net, i, h)
        if i == len(net.layers) - 1:
            a = graph.flat(a)
        h = _activated(graph, layer, a)
        if a in graph.images:
            graph.marked(h)
        h = _pooled(graph, net, i + 1, h)
    graph.node("Identity", h, to="Y")
    element = helper.np_dtype_to_tensor_dtype(net.dtype)
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "fastfa",
            [helper.make_tensor_value_info("X", element, ["N", *net.input_shape])],
            [helper.make_tensor_value_info("Y", element, ["N", net.output_size])],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="fastfa",
        producer_version=__version__,
        doc_string=repr(net),
    )
    helper.set_model_props(
        model,
        {
            "loss": net.loss,
            "seed": str(net.seed),
            "steps": str(net.steps),
            "layers": "; ".join(map(repr, net.layers)),
            "feedback": repr(net.feedback),
        },
    )
    onnx.checker.check_model(model, full_check=True)
    return model


class _Graph:
    """Nodes and constants as they are added; every result has a name of its own.

    ``images`` are the results of shape (N, C, H, W); others are (N, n).
    """

    def __init__(self, dtype: np.dtype) -> None:
        self.dtype = dtype
        self.nodes: list[Any] = []
        self.constants: list[TensorProto] = []
        self.images: set[str] = set()

    @property
    def is_double(self) -> bool:
        """Whether ONNX Runtime, which has Conv and AveragePool for float32 only, has none for us."""
        return self.dtype == np.float64

    def flat(self, h: str) -> str:
        """h as (N, n)."""
        return self.node("Flatten", h, axis=1) if h in self.images else h

    def as_images(self, h: str, shape: tuple[int, ...]) -> str:
        """h as (N, C, H, W)."""
        return h if h in self.images else self.marked(self.reshape(h, *image_shape(shape)))

    def marked(self, name: str) -> str:
        """The name, taken down as one of images."""
        self.images.add(name)
        return name

    def reshape(self, h: str, *shape: int) -> str:
        """h as (N, *shape)."""
        sizes = self.constant(f"shape{len(self.nodes)}", np.array([-1, *shape]))
        return self.node("Reshape", h, sizes)

    def node(self, op: str, *inputs: str, to: str | None = None, **attributes: Any) -> str:
        name = to or f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], name=f"{op}_{name}", **attributes))
        return name

    def constant(self, name: str, array: np.ndarray) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def number(self, value: float) -> str:
        """A constant of the network's dtype, kept once."""
        name = f"number {float(value)!r}"
        if not any(c.name == name for c in self.constants):
            array = np.array(value, dtype=self.dtype)
            self.constants.append(numpy_helper.from_array(array, name))
        return name


@singledispatch
def _product(layer: Weighted, graph: _Graph, net: Network, i: int, h: str) -> str:
    """The pre-activations of layer i, of inputs h."""
    raise TypeError(
        f"[to_model] layers[{i}] was {layer!r}, a kind of layer that ONNX isn't told of"
    )


@_product.register
def _dense(layer: Dense, graph: _Graph, net: Network, i: int, h: str) -> str:
    """h (N, n_in) · W (n_out, n_in) → a (N, n_out)."""
    inputs = [graph.flat(h), graph.constant(f"W{i}", net.weights[i])]
    if net.biases[i] is not None:
        inputs.append(graph.constant(f"b{i}", net.biases[i]))
    return graph.node("Gemm", *inputs, transB=1)


@_product.register
def _local(layer: LocallyConnected2D, graph: _Graph, net: Network, i: int, h: str) -> str:
    """The patches of every position side by side, then a product for each position."""
    where = patches(layer, net._below[i])
    positions, patch = where.input.shape
    weights = net.weights[i].reshape(layer.maps, positions, patch) * where.inside
    index = graph.constant(f"patches{i}", where.input.ravel())
    seen = graph.node("Gather", graph.flat(h), index, axis=1)  # (N, P K)
    by_position = graph.node("Transpose", graph.reshape(seen, positions, patch), perm=[1, 0, 2])
    w = graph.constant(f"W{i}", weights.transpose(1, 2, 0))  # (P, K, maps)
    product = graph.node("MatMul", by_position, w)  # (P, N, maps)
    units = graph.node("Transpose", product, perm=[1, 2, 0])
    a = graph.node("Flatten", units, axis=1)
    if net.biases[i] is None:
        return a
    return graph.node("Add", a, graph.constant(f"b{i}", net.biases[i]))


@_product.register
def _conv(layer: Conv2D, graph: _Graph, net: Network, i: int, h: str) -> str:
    """A Conv; in float64 the patches of every position side by side, times the same weights."""
    below, bias = net._below[i], net.biases[i]
    if not graph.is_double:
        before, after = edges(layer, below)
        inputs = [graph.as_images(h, below), graph.constant(f"W{i}", net.weights[i])]
        if bias is not None:
            inputs.append(graph.constant(f"b{i}", bias))
        strides, pads = list(layer.stride), [*before, *after]
        return graph.marked(graph.node("Conv", *inputs, strides=strides, pads=pads))
    where = patches(layer, below)
    index = graph.constant(f"patches{i}", where.input.ravel())
    seen = graph.node("Gather", graph.flat(h), index, axis=1)  # (N, P K)
    if not where.inside.all():
        inside = where.inside.ravel().astype(net.dtype)
        seen = graph.node("Mul", seen, graph.constant(f"inside{i}", inside))
    w = graph.constant(f"W{i}", net.weights[i].reshape(layer.maps, -1).T)  # (K, maps)
    a = graph.node("MatMul", graph.reshape(seen, *where.input.shape), w)  # (N, P, maps)
    if bias is not None:
        a = graph.node("Add", a, graph.constant(f"b{i}", bias))
    units = graph.node("Transpose", a, perm=[0, 2, 1])
    return graph.marked(graph.reshape(units, *net.shapes[i + 1]))


def _pooled(graph: _Graph, net: Network, place: int, h: str) -> str:
    """What pooling leaves of the input (place 0) or of layer ``place`` − 1."""
    shape = net.shapes[place]
    for number, each in enumerate(net.pooling[place]):
        h = _pool(graph, each, graph.as_images(h, shape), shape, f"{place}.{number}")
        shape = each.output_shape(shape)
    return h


def _pool(graph: _Graph, layer: Pooling, h: str, shape: tuple[int, ...], name: str) -> str:
    average = isinstance(layer, AvgPool2D)
    if not (average and graph.is_double):
        op = "AveragePool" if average else "MaxPool"
        size, stride = list(layer.size), list(layer.stride)
        return graph.marked(graph.node(op, h, kernel_shape=size, strides=stride))
    channels, height, width = image_shape(shape)
    where = pooled(layer, shape)
    index = graph.constant(f"pool{name}", where.ravel())
    pixels = graph.reshape(h, channels, height * width)
    seen = graph.node("Gather", pixels, index, axis=2)  # (N, C, P K)
    mean = graph.node(
        "ReduceMean", graph.reshape(seen, channels, *where.shape), axes=[3], keepdims=0
    )
    return graph.marked(graph.reshape(mean, *layer.output_shape(shape)))


def _activated(graph: _Graph, layer: Weighted, a: str) -> str:
    """σ(a). ONNX Runtime has LeakyRelu, Elu and Softplus for float32 only, so they are put together."""
    match named("export", layer):
        case "linear":
            return a
        case "softmax":
            return graph.node("Softmax", a, axis=1)
        case "leaky_relu":
            return graph.node(
                "Max", a, graph.node("Mul", a, graph.number(layer.leaky_slope or 0.0))
            )
        case "hard_tanh":
            return graph.node("Clip", a, graph.number(-1), graph.number(1))
        case "softplus":
            z = graph.node("Exp", graph.node("Neg", graph.node("Abs", a)))
            log = graph.node("Log", graph.node("Add", z, graph.number(1)))
            return graph.node("Add", graph.node("Relu", a), log)
        case "elu":
            below = graph.node("Exp", graph.node("Min", a, graph.number(0)))
            return graph.node(
                "Add", graph.node("Relu", a), graph.node("Sub", below, graph.number(1))
            )
        case "gelu":
            erf = graph.node("Erf", graph.node("Mul", a, graph.number(np.sqrt(0.5))))
            twice_cdf = graph.node("Add", erf, graph.number(1))
            return graph.node("Mul", graph.node("Mul", a, graph.number(0.5)), twice_cdf)
        case "silu":
            return graph.node("Mul", a, graph.node("Sigmoid", a))
        case name:
            return graph.node(_ACTIVATIONS[name], a)
