"""JAX: networks as pure functions of a pytree, and a dense layer whose gradient is our feedback.

>>> import fastfa as fa, jax
>>> net = fa.Network(784, [fa.Dense(500, "tanh"), fa.Dense(10)], feedback="fa")
>>> apply, params = fa.interop.jax.to_function(net, feedback=True)
>>> gradient = jax.jit(jax.grad(lambda p, x, y: ((y - apply(p, x)) ** 2).sum() / 2))
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import singledispatch
from typing import Any

import numpy as np

from .. import _check
from ..feedback import Feedback
from ..layers import AvgPool2D, Conv2D, Dense, LocallyConnected2D, Pooling, Weighted
from ..layers.activation import named
from ..network import Network, _arguments
from ._matrices import magnitudes
from ._patches import edges, image_shape, patches
from ._peers import need

need("interop.jax", "jax", "JAX", "jax")

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402

__all__ = ["dense", "load_parameters", "to_function"]


def __dir__() -> list[str]:
    return sorted(__all__)


Parameters = list[dict[str, jax.Array]]

_ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "linear": lambda a: a,
    "logistic": jax.nn.sigmoid,
    "tanh": jnp.tanh,
    "relu": jax.nn.relu,
    "softmax": lambda a: jax.nn.softmax(a, axis=-1),
    "hard_tanh": jax.nn.hard_tanh,
    "softplus": jax.nn.softplus,
    "elu": jax.nn.elu,
    "gelu": lambda a: jax.nn.gelu(a, approximate=False),
    "silu": jax.nn.silu,
}


@jax.custom_vjp
def dense(x: jax.Array, W: jax.Array, b: jax.Array | float, B: jax.Array) -> jax.Array:
    """``x Wᵀ + b``, whose backward pass sends ``B ∂L/∂y`` down, instead of ``Wᵀ ∂L/∂y``.

    Parameters
    ----------
    x : Array (N, n_in)
    W : Array (n_out, n_in)
    b : Array (n_out,)
    B : Array (n_in, n_out)
        Gets no gradient. ``fa.Feedback(…).toarray(n_in, n_out, seed=…, layer=…)`` draws it as a
        network does; an expression of W makes feedback that follows the weights (``W.T`` is backprop).

    Returns
    -------
    Array (N, n_out)

    References
    ----------
    Lillicrap, Cownden, Tweed & Akerman, Nature Communications 7:13276 (2016), equation 2.
    """
    return x @ W.T + b


def _dense_forward(x: Any, W: Any, b: Any, B: Any) -> tuple[jax.Array, Any]:
    return dense(x, W, b, B), (x, b, B)


def _dense_backward(kept: Any, grad: jax.Array) -> tuple[Any, ...]:
    x, b, B = kept
    to_b = grad.sum(axis=0) if jnp.ndim(b) else grad.sum()
    return grad @ B.T, grad.T @ x, to_b, jnp.zeros_like(B)


dense.defvjp(_dense_forward, _dense_backward)


def to_function(
    net: Network, *, feedback: bool = False
) -> tuple[Callable[[Parameters, Any], jax.Array], Parameters]:
    """A pure function that computes what ``net.forward`` does, and its parameters.

    Parameters
    ----------
    net : Network
        Copied: what becomes of it later changes neither.
    feedback : bool
        Whether differentiation gives what the network's feedback gives, B being what it is now; else
        it is backprop. For dense layers above the first, with layerwise feedback.

    Returns
    -------
    apply : callable
        ``apply(parameters, x)`` with x (N, n_in) or (N, *input_shape) -> (N, n_out); one example,
        without N, is taken as N = 1. To be jitted, mapped and differentiated. Dropout is off.
    parameters : list of dict
        For each weighted layer ``{"W": …, "b": …}``, shaped as ``net.weights`` and ``net.biases``,
        without ``"b"`` where there is none.

    Raises
    ------
    ValueError, TypeError
        If net isn't a Network, is float64 while JAX has that switched off, or has feedback that JAX
        can't run.
    """
    if not isinstance(net, Network):
        raise TypeError(f"[to_function] net was {net!r}; it must be a fastfa.Network")
    if net.dtype == np.float64 and not jax.config.jax_enable_x64:
        raise ValueError(
            "[to_function] net is float64, which JAX would round to float32; it must be float32, or "
            "set jax.config.update('jax_enable_x64', True)"
        )
    layers = [
        _layer(net, i, _matrix_of(net, i) if feedback and i > 0 else None)
        for i in range(len(net.layers))
    ]
    pools = [_pooling(each, shape) for each, shape in zip(net.pooling, net.shapes, strict=True)]
    size, flat, shape = net.input_size, (net.input_size,), net.input_shape

    def apply(parameters: Parameters, x: Any) -> jax.Array:
        _check.unmasked("apply", "x", x)
        h = jnp.asarray(_check.as_array("apply", "x", x) if isinstance(x, np.ndarray) else x)
        if (h.shape not in (flat, shape)) and h.shape[1:] not in (flat, shape):
            raise ValueError(
                f"[apply] x has shape {h.shape}; an example's is {flat}"
                + (f" or {shape}" if shape != flat else "")
            )
        h = pools[0](h.reshape(-1, size))
        for layer, pool, values in zip(layers, pools[1:], parameters, strict=True):
            h = pool(layer(values["W"], values.get("b", 0.0), h))
        return h

    parameters = [{"W": jnp.array(w)} for w in net.weights]
    for values, bias in zip(parameters, net.biases, strict=True):
        if bias is not None:
            values["b"] = jnp.array(bias)
    return apply, parameters


def load_parameters(net: Network, parameters: Sequence[Mapping[str, Any]]) -> None:
    """Write parameters, as :func:`to_function` gives them, into the network; its feedback stays.

    Momentum and Adam start again, as for ``Network.load_state_dict``.

    Raises
    ------
    ValueError, TypeError
        If a layer or array is missing or unknown, or doesn't fit; nothing is then changed.
    """
    if not isinstance(net, Network):
        raise TypeError(f"[load_parameters] net was {net!r}; it must be a fastfa.Network")
    if len(parameters) != len(net.layers):
        raise ValueError(
            f"[load_parameters] parameters has {len(parameters)} layers; it must have {len(net.layers)}"
        )
    own = net._arrays()
    given = {name: array for name, array in own.items() if name.startswith("feedback")}
    for i, values in enumerate(parameters):
        for key, value in values.items():
            name = {"W": "weights", "b": "biases"}.get(key, f"parameters {key!r}")
            given[f"{name}.{i}"] = value
    net.load_state_dict(_arguments.state("load_parameters", given, own))


def _layer(net: Network, i: int, matrix: Callable[[jax.Array], jax.Array] | None) -> Any:
    """(W, b, h below) -> h of layer i."""
    layer = net.layers[i]
    act, product = _sigma(layer), _product(layer, net._below[i], matrix)
    return lambda W, b, h: act(product(W, b, h))


def _sigma(layer: Weighted) -> Callable[[jax.Array], jax.Array]:
    if layer.activation == "leaky_relu":
        return lambda a: jnp.where(a > 0, a, layer.leaky_slope * a)
    return _ACTIVATIONS[named("to_function", layer)]


@singledispatch
def _product(layer: Weighted, shape: tuple[int, ...], matrix: Any) -> Any:
    """(W, b, h below) -> a of a layer above this shape."""
    raise TypeError(f"[to_function] net has {layer!r}, a kind of layer that JAX isn't told of")


@_product.register
def _dense_product(layer: Dense, shape: tuple[int, ...], matrix: Any) -> Any:
    if matrix is None:
        return lambda W, b, h: h @ W.T + b
    return lambda W, b, h: dense(h, W, b, matrix(W))


@_product.register
def _local_product(layer: LocallyConnected2D, shape: tuple[int, ...], matrix: Any) -> Any:
    where = patches(layer, shape)
    index, inside = jnp.asarray(where.input), jnp.asarray(where.inside)

    def local(W: jax.Array, b: Any, h: jax.Array) -> jax.Array:
        seen = jnp.where(inside, h[:, index], 0)  # (N, P, K)
        a = jnp.einsum("npk,mpk->nmp", seen, W.reshape(layer.maps, *index.shape))
        return a.reshape(len(a), -1) + b

    return local


@_product.register
def _conv_product(layer: Conv2D, shape: tuple[int, ...], matrix: Any) -> Any:
    image, (before, after) = image_shape(shape), edges(layer, shape)
    zeros = list(zip(before, after, strict=True))

    def conv(W: jax.Array, b: Any, h: jax.Array) -> jax.Array:
        images = h.reshape(-1, *image)
        a = jax.lax.conv_general_dilated(images, W, layer.stride, zeros)
        return (a + jnp.reshape(b, (-1, 1, 1))).reshape(len(a), -1)

    return conv


def _pooling(
    pooling: Sequence[Pooling], shape: tuple[int, ...]
) -> Callable[[jax.Array], jax.Array]:
    """Units of this shape, flat -> what the layers of pooling leave of them, flat."""
    steps = []
    for each in pooling:
        steps.append((each, image_shape(shape)))
        shape = each.output_shape(shape)

    def pool(h: jax.Array) -> jax.Array:
        for each, image in steps:
            window, stride = (1, 1, *each.size), (1, 1, *each.stride)
            images = h.reshape(-1, *image)
            if isinstance(each, AvgPool2D):
                total = jax.lax.reduce_window(images, 0.0, jax.lax.add, window, stride, "VALID")
                left = total / (each.size[0] * each.size[1])
            else:
                left = jax.lax.reduce_window(images, -jnp.inf, jax.lax.max, window, stride, "VALID")
            h = left.reshape(len(left), -1)
        return h

    return pool


def _matrix_of(net: Network, i: int) -> Callable[[jax.Array], jax.Array]:
    """B through layer i, which may follow the layer's W."""
    where = "[to_function] feedback was True for"
    kind = type(net.layers[i])
    if not kind.fully_connected:
        raise ValueError(
            f"{where} layers[{i}], a {kind.__name__} above a layer with weights; it must be a Dense"
        )
    if not isinstance(net.feedback, tuple):
        raise ValueError(f"{where} a network with {net.feedback!r}; it must have feedback matrices")
    rule = net.feedback[i - 1]
    if rule.route != "layerwise" or rule.plasticity != "fixed":
        raise ValueError(f"{where} {rule!r}; its route must be 'layerwise', its plasticity 'fixed'")
    if rule._kind == "custom" or rule.magnitude == "redrawn" or rule.refresh > 1:
        raise ValueError(f"{where} {rule!r}; it must be one that depends on nothing but seed and W")
    return _following(net, i, rule)


def _following(net: Network, i: int, rule: Feedback) -> Callable[[jax.Array], jax.Array]:
    if rule._kind == "transpose":
        return lambda W: W.T
    if rule._kind == "pseudoinverse":
        return jnp.linalg.pinv
    if rule._kind == "sign":
        like = rule if rule.array is not None else rule._with_scale(net.feedback_scales[i - 1])
        shape = net.weights[i].shape[::-1]
        sizes = magnitudes(like, *shape, seed=net.seed, layer=i - 1)
        size = jnp.asarray(sizes, dtype=net.dtype)
        return lambda W: size * jnp.sign(W.T)
    fixed = jnp.array(net.feedback_matrices[i - 1])
    return lambda W: fixed
