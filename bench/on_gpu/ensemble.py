"""Online learning of many tiny networks at once: an Ensemble on a GPU, beside jax.vmap of lax.scan.

Used by bench/gpu.py. Networks of 30-20-10 units, tanh, float32, one example a step, plain SGD with
feedback alignment; all see the same examples in the same order.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

import fastfa as fa
import numpy as np

WIDTHS, RATE = (30, 20, 10), 0.01


def data(steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Inputs (steps, 30) and targets (steps, 10)."""
    rng = np.random.default_rng(0)
    shapes = ((steps, WIDTHS[0]), (steps, WIDTHS[-1]))
    x, y = (rng.standard_normal(shape, dtype=np.float32) for shape in shapes)
    return x, y


def fastfa_runner(networks: int, steps: int, device: str) -> Callable[[], None]:
    """An epoch of an Ensemble."""
    layers = [fa.Dense(WIDTHS[1], "tanh"), fa.Dense(WIDTHS[2])]
    nets = [fa.Network(WIDTHS[0], layers, "fa", seed=s, device=device) for s in range(networks)]
    ensemble = fa.Ensemble(nets)
    x, y = data(steps)
    return lambda: ensemble.train_epoch(x, y, fa.SGD(RATE), batch_size=1)


def jax_runner(networks: int, steps: int) -> Callable[[], None]:
    """The same as one compiled scan over the steps, mapped over the networks."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_default_matmul_precision", "float32")
    rng = np.random.default_rng(1)

    def uniform(*shape: int) -> jax.Array:
        return jnp.asarray(rng.uniform(-0.2, 0.2, (networks, *shape)).astype(np.float32))

    n_in, hidden, n_out = WIDTHS
    b = uniform(hidden, n_out)
    x, y = (jnp.asarray(part) for part in data(steps))

    def learn(state, feedback):
        def step(state, example):
            w1, b1, w2, b2 = state
            h = jnp.tanh(w1 @ example[0] + b1)
            e = example[1] - (w2 @ h + b2)
            delta = (feedback @ e) * (1 - h * h)
            new = (
                w1 + RATE * jnp.outer(delta, example[0]),
                b1 + RATE * delta,
                w2 + RATE * jnp.outer(e, h),
                b2 + RATE * e,
            )
            return new, 0.5 * (e @ e)

        return jax.lax.scan(step, state, (x, y))

    epoch = jax.jit(jax.vmap(learn))
    zeros = jnp.zeros((networks, hidden)), jnp.zeros((networks, n_out))
    state = [(uniform(hidden, n_in), zeros[0], uniform(n_out, hidden), zeros[1])]

    def run() -> None:
        state[0], losses = epoch(state[0], b)
        jax.block_until_ready((state[0], losses))

    return run


def contestants(
    networks: int, steps: int, device: str
) -> dict[str, Callable[[], Callable[[], None]]]:
    """Those that are there, to be made."""
    made = {"fastfa": lambda: fastfa_runner(networks, steps, device)}
    if not device.startswith("cuda-emulated") and importlib.util.find_spec("jax"):
        made["JAX vmap of lax.scan"] = lambda: jax_runner(networks, steps)
    return made
