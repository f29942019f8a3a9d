"""JAX: the whole slice in one jitted lax.scan, parameters donated, compilation not timed.

Batch 1 uses vectors and an outer product: written with (1, n) matrices, XLA's CPU compiler takes
several times as long. Unrolling the loop four times helps small steps; more only lengthens the
compilation. Data lies on the device beforehand.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from contestants import Contestant
from tasks.workloads import Task, Workload

_ACTIVATION = {"logistic": jax.nn.sigmoid, "tanh": jnp.tanh, "linear": lambda a: a}
_TIMES_SLOPE = {
    "logistic": lambda delta, h: delta * h * (1 - h),
    "tanh": lambda delta, h: delta * (1 - h * h),
    "linear": lambda delta, h: delta,
}


class Jax(Contestant):
    def __init__(self, task: Task, threads: int) -> None:
        super().__init__(task, threads)
        one = task.workload.batch == 1
        self.x = jnp.array(task.x[:, 0] if one else task.x)
        self.y = jnp.array(task.y[:, 0] if one else task.y)
        self.feedback = [jnp.array(b) for b in task.feedback]
        self.epoch = jax.jit(_epoch_function(task), donate_argnums=0)
        self.slices: dict[int, tuple[jax.Array, jax.Array]] = {}
        self.reset()

    def reset(self) -> None:
        self.state = [jnp.array(p) for p in self.task.start]

    def train(self, steps: int) -> None:
        if steps not in self.slices:
            self.slices[steps] = (self.x[:steps], self.y[:steps])
        self.state = self.epoch(self.state, *self.slices[steps], self.feedback)
        jax.block_until_ready(self.state)

    def parameters(self) -> list[np.ndarray]:
        return [np.array(p) for p in self.state]


def _epoch_function(task: Task) -> Callable[..., list[jax.Array]]:
    step, one = step_function(task.workload), task.workload.batch == 1

    def epoch(state, xs, ys, feedback):
        def scanned(state, batch):
            return step(state, *batch, feedback), None

        return lax.scan(scanned, state, (xs, ys), unroll=4 if one else 1)[0]

    return epoch


def step_function(rule: Workload) -> Callable[..., list[jax.Array]]:
    """(state, x, y, feedback) → the state after one update of one network."""
    activation, times_slope = _ACTIVATION[rule.activation], _TIMES_SLOPE[rule.activation]
    one, eta = rule.batch == 1, rule.lr / rule.batch

    def step(state, x, y, feedback):
        h = [x]
        for w, b in zip(state[0::2], state[1::2], strict=True):
            h.append(activation((w @ h[-1] if one else h[-1] @ w.T) + b))
        delta = (y - h[-1]) * eta
        if rule.loss == "squared_error":
            delta = times_slope(delta, h[-1])
        after = []
        for layer in range(len(state) // 2 - 1, -1, -1):
            change = delta[:, None] * h[layer][None, :] if one else delta.T @ h[layer]
            total = delta if one else delta.sum(axis=0)
            after = [state[2 * layer] + change, state[2 * layer + 1] + total, *after]
            if layer > 0:
                b = feedback[layer - 1]
                delta = times_slope(b @ delta if one else delta @ b.T, h[layer])
        return after

    return step
