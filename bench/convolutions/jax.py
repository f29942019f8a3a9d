"""The same network in JAX: one jitted step whose parameters are donated, in both layouts."""

from __future__ import annotations

from typing import Any

import fastfa as fa
import numpy as np

from convolutions.networks import Contestant


def steps(net: fa.Network, x, y, lr: float) -> dict[str, Contestant]:
    """By name; none if JAX isn't installed."""
    try:
        import jax
    except ImportError:
        return {}
    layouts = {"jax": "NCHW", "jax, channels last": "NHWC"}
    return {name: _stepper(jax, net, x, y, lr, layout) for name, layout in layouts.items()}


def _stepper(jax: Any, net: fa.Network, x, y, lr: float, layout: str) -> Contestant:
    import jax.numpy as jnp

    last = layout == "NHWC"
    kernel = "HWIO" if last else "OIHW"
    images = jnp.array(x).reshape(-1, *net.input_shape)
    images = images.transpose(0, 2, 3, 1) if last else images
    targets = jnp.array(y)
    weights = []
    for layer, w, b in zip(net.layers, net.weights, net.biases, strict=True):
        conv = isinstance(layer, fa.Conv2D)
        own = jnp.array(w).transpose(2, 3, 1, 0) if conv and last else jnp.array(w)
        bias = jnp.array(b).reshape((-1,) if last or not conv else (-1, 1, 1))
        weights.append((own, bias))
    sigma = {"tanh": jnp.tanh, "relu": jax.nn.relu, "linear": lambda a: a}

    def forward(params):
        h = images
        for layer, pooling, (w, b) in zip(net.layers, net.pooling[1:], params, strict=True):
            if isinstance(layer, fa.Conv2D):
                h = jax.lax.conv_general_dilated(
                    h, w, (1, 1), layer.padding.upper(), dimension_numbers=(layout, kernel, layout)
                )
            else:
                h = h.transpose(0, 3, 1, 2) if last and h.ndim == 4 else h
                h = h.reshape(len(h), -1) @ w.T
            h = sigma[layer.activation](h + b)
            for each in pooling:
                size = (1, *each.size, 1) if last else (1, 1, *each.size)
                h = jax.lax.reduce_window(h, -jnp.inf, jax.lax.max, size, size, "VALID")
        return h

    def update(params):
        def loss(p):
            return 0.5 * ((targets - forward(p)) ** 2).sum(1).mean()

        gradients = jax.grad(loss)(params)
        return jax.tree.map(lambda p, g: p - lr * g, params, gradients)

    jitted, state = jax.jit(update, donate_argnums=0), weights

    def step() -> None:
        nonlocal state
        state = jax.block_until_ready(jitted(state))

    def own() -> list[np.ndarray]:
        arrays = [np.asarray(w) for w, _ in state]
        return [w.transpose(3, 2, 0, 1) if last and w.ndim == 4 else w for w in arrays]

    return Contestant(step, own)
