"""JAX in bench/local.py: `conv_general_dilated_local`, and patches by slices with batched products."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from contestants import Contestant
from local_layers.layer import Layer
from local_layers.tasks import (
    BACK,
    KERNEL,
    MAPS,
    ORDER,
    OUT,
    POSITIONS,
    SIDE,
    TAPS,
    UNITS,
    WEIGHT_SHAPE,
    LayerTask,
    by_position,
    from_position,
    unit_order,
)
from tasks.workloads import Task


def _conv_local(x: jax.Array, w: jax.Array) -> jax.Array:
    """(N, maps, OUT, OUT) from x (N, 1, SIDE, SIDE) and w (OUT, OUT, TAPS, maps)."""
    return lax.conv_general_dilated_local(
        x, w, (1, 1), "VALID", (KERNEL, KERNEL), dimension_numbers=("NCHW", "HWIO", "NCHW")
    )


def _patches(x: jax.Array) -> jax.Array:
    """(POSITIONS, TAPS, N) from (SIDE, SIDE, N)."""
    taps = [x[i : i + OUT, j : j + OUT] for i in range(KERNEL) for j in range(KERNEL)]
    return jnp.stack(taps, axis=2).reshape(POSITIONS, TAPS, x.shape[-1])


def _hwio(weights: np.ndarray) -> np.ndarray:
    """(OUT, OUT, TAPS, maps) from WEIGHT_SHAPE."""
    return weights.reshape(MAPS, OUT, OUT, TAPS).transpose(1, 2, 3, 0)


def _from_hwio(weights: np.ndarray) -> np.ndarray:
    return weights.transpose(3, 0, 1, 2).reshape(WEIGHT_SHAPE)


class ConvLocal(Layer):
    """One jitted function: the primitive and its vjp for the weights."""

    def __init__(self, task: LayerTask, threads: int) -> None:
        super().__init__(task, threads)
        self.x = jnp.array(task.x[:, None])
        self.w = jnp.array(_hwio(task.weights))
        self.delta = jnp.array(task.delta.reshape(-1, MAPS, OUT, OUT))

        def both(x, w, delta):
            h, vjp = jax.vjp(lambda w: _conv_local(x, w), w)
            return h, vjp(delta)[0]

        self.both = jax.jit(both)

    def run(self) -> None:
        self.found = jax.block_until_ready(self.both(self.x, self.w, self.delta))

    def error(self) -> float:
        self.run()
        h, g = (np.array(a) for a in self.found)
        return self.task.error(h.reshape(-1, UNITS), _from_hwio(g))


class Slices(Layer):
    """One jitted function: 36 slices make the patches, two batched products do the rest."""

    def __init__(self, task: LayerTask, threads: int) -> None:
        super().__init__(task, threads)
        self.x = jnp.array(np.ascontiguousarray(task.x.transpose(1, 2, 0)))
        self.w = jnp.array(by_position(task.weights))
        self.delta = jnp.array(task.delta.T[ORDER].reshape(POSITIONS, MAPS, -1))

        def both(x, w, delta):
            patches = _patches(x)
            h = jnp.einsum("pmk,pkn->pmn", w, patches)
            return h, jnp.einsum("pmn,pkn->pmk", delta, patches)

        self.both = jax.jit(both)

    def run(self) -> None:
        self.found = jax.block_until_ready(self.both(self.x, self.w, self.delta))

    def error(self) -> float:
        self.run()
        h, g = (np.array(a) for a in self.found)
        return self.task.error(unit_order(h), from_position(g))


class _JaxNetwork(Contestant):
    """All steps in one jitted lax.scan, parameters donated, as in run.py."""

    def __init__(self, task: Task, threads: int) -> None:
        super().__init__(task, threads)
        self.x, self.y = jnp.array(self.images(task)), jnp.array(task.y)
        self.feedback = [jnp.array(b) for b in self.inside_feedback(task)]
        self.epoch = jax.jit(_epoch_function(task, self.forward, self.gradient), donate_argnums=0)
        self.slices: dict[int, tuple[jax.Array, jax.Array]] = {}
        self.reset()

    def reset(self) -> None:
        self.state = [jnp.array(p) for p in self.inside(self.task.start)]

    def train(self, steps: int) -> None:
        if steps not in self.slices:
            self.slices[steps] = (self.x[:steps], self.y[:steps])
        self.state = self.epoch(self.state, *self.slices[steps], self.feedback)
        jax.block_until_ready(self.state)

    def parameters(self) -> list[np.ndarray]:
        return self.outside([np.array(p) for p in self.state])


class SlicesNetwork(_JaxNetwork):
    """Local units in the order (positions, maps)."""

    def images(self, task: Task) -> np.ndarray:
        x = task.x.reshape(len(task.x), -1, SIDE, SIDE)
        return np.ascontiguousarray(x.transpose(0, 2, 3, 1))

    def inside(self, start: list[np.ndarray]) -> list[np.ndarray]:
        w0, b0, w1, *rest = start
        return [by_position(w0), b0[ORDER], w1[:, ORDER], *rest]

    def outside(self, state: list[np.ndarray]) -> list[np.ndarray]:
        w0, b0, w1, *rest = state
        return [from_position(w0), b0[BACK], w1[:, BACK], *rest]

    def inside_feedback(self, task: Task) -> list[np.ndarray]:
        return [task.feedback[0][ORDER], *task.feedback[1:]]

    @staticmethod
    def forward(x: jax.Array, w: jax.Array) -> tuple[jax.Array, jax.Array]:
        patches = _patches(x)
        return jnp.einsum("pmk,pkn->pmn", w, patches).reshape(UNITS, -1).T, patches

    @staticmethod
    def gradient(patches: jax.Array, delta: jax.Array) -> jax.Array:
        return jnp.einsum("pmn,pkn->pmk", delta.T.reshape(POSITIONS, MAPS, -1), patches)


class ConvLocalNetwork(_JaxNetwork):
    """Local units in the order (maps, positions), as the primitive gives them."""

    def images(self, task: Task) -> np.ndarray:
        return task.x.reshape(*task.x.shape[:2], 1, SIDE, SIDE)

    def inside(self, start: list[np.ndarray]) -> list[np.ndarray]:
        return [_hwio(start[0]), *start[1:]]

    def outside(self, state: list[np.ndarray]) -> list[np.ndarray]:
        return [_from_hwio(state[0]), *state[1:]]

    def inside_feedback(self, task: Task) -> list[np.ndarray]:
        return list(task.feedback)

    @staticmethod
    def forward(x: jax.Array, w: jax.Array) -> tuple[jax.Array, Callable]:
        a, vjp = jax.vjp(lambda w: _conv_local(x, w), w)
        return a.reshape(-1, UNITS), vjp

    @staticmethod
    def gradient(vjp: Callable, delta: jax.Array) -> jax.Array:
        return vjp(delta.reshape(-1, MAPS, OUT, OUT))[0]


def _epoch_function(task: Task, forward: Callable, gradient: Callable) -> Callable:
    """Feedback alignment by hand; `forward` gives the local layer's a and what `gradient` needs."""
    eta = task.workload.lr / task.workload.batch

    def epoch(state, xs, ys, feedback):
        def step(state, batch):
            x, y = batch
            weights, biases = state[0::2], state[1::2]
            a, kept = forward(x, weights[0])
            h = [jnp.tanh(a + biases[0])]
            for w, b in zip(weights[1:], biases[1:], strict=True):
                h.append(jnp.tanh(h[-1] @ w.T + b))
            deltas = [(y - h[-1]) * eta * (1 - h[-1] * h[-1])]
            for b, h_l in zip(reversed(feedback), reversed(h[:-1]), strict=True):
                deltas.insert(0, (deltas[0] @ b.T) * (1 - h_l * h_l))
            after = [weights[0] + gradient(kept, deltas[0]), biases[0] + deltas[0].sum(axis=0)]
            for layer in range(1, len(weights)):
                delta = deltas[layer]
                after += [
                    weights[layer] + delta.T @ h[layer - 1],
                    biases[layer] + delta.sum(axis=0),
                ]
            return after, None

        return lax.scan(step, state, (xs, ys))[0]

    return epoch
