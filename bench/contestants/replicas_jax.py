"""JAX with many small networks: the step under vmap, all steps in one jitted lax.scan."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from contestants import Contestant
from contestants.jax import step_function
from tasks.workloads import Task


class JaxVmap(Contestant):
    def __init__(self, task: Task, threads: int) -> None:
        super().__init__(task, threads)
        one = task.workload.batch == 1
        self.x = jnp.array(task.x[:, 0] if one else task.x)
        self.y = jnp.array(task.y[:, 0] if one else task.y)
        self.feedback = _stacked([replica.feedback for replica in task.replicas])
        step = jax.vmap(step_function(task.workload), in_axes=(0, None, None, 0))

        def epoch(state, xs, ys, feedback):
            def scanned(state, batch):
                return step(state, *batch, feedback), None

            return lax.scan(scanned, state, (xs, ys), unroll=4 if one else 1)[0]

        self.epoch = jax.jit(epoch, donate_argnums=0)
        self.slices: dict[int, tuple[jax.Array, jax.Array]] = {}
        self.reset()

    def reset(self) -> None:
        self.state = _stacked([replica.start for replica in self.task.replicas])

    def train(self, steps: int) -> None:
        if steps not in self.slices:
            self.slices[steps] = (self.x[:steps], self.y[:steps])
        self.state = self.epoch(self.state, *self.slices[steps], self.feedback)
        jax.block_until_ready(self.state)

    def parameters(self) -> list[np.ndarray]:
        state = [np.array(p) for p in self.state]
        return [p[replica] for replica in range(len(self.task.replicas)) for p in state]


def _stacked(arrays: list) -> list[jax.Array]:
    """One list of arrays per replica → one array per parameter, (replicas, …)."""
    return [jnp.array(np.stack(same)) for same in zip(*arrays, strict=True)]
