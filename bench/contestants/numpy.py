"""NumPy written for speed: every product goes through BLAS into a buffer made beforehand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from contestants import Contestant
from tasks.workloads import Task

Array = np.ndarray


def _logistic(a: Array) -> None:
    np.negative(a, out=a)
    np.exp(a, out=a)
    a += 1
    np.reciprocal(a, out=a)


def _tanh(a: Array) -> None:
    np.tanh(a, out=a)


def _times_logistic_slope(delta: Array, h: Array, scratch: Array) -> None:
    np.subtract(1, h, out=scratch)
    scratch *= h
    delta *= scratch


def _times_tanh_slope(delta: Array, h: Array, scratch: Array) -> None:
    np.multiply(h, h, out=scratch)
    np.subtract(1, scratch, out=scratch)
    delta *= scratch


# activation in place on a, and δ ← δ ∘ σ′ from h = σ(a)
_UNITS: dict[str, tuple[Callable[[Array], None] | None, Callable[..., None] | None]] = {
    "linear": (None, None),
    "logistic": (_logistic, _times_logistic_slope),
    "tanh": (_tanh, _times_tanh_slope),
}


class NumPy(Contestant):
    def __init__(self, task: Task, threads: int) -> None:
        super().__init__(task, threads)
        batch, sizes = task.workload.batch, task.workload.sizes
        self.weights = [w.copy() for w in task.weights]
        self.biases = [b.copy() for b in task.biases]
        self.feedback_t = [np.ascontiguousarray(b.T) for b in task.feedback]  # (n_source, n_l)
        self.h = [np.empty((batch, n), np.float32) for n in sizes[1:]]
        self.delta = [np.empty_like(h) for h in self.h]
        self.scratch = [np.empty_like(h) for h in self.h]
        self.change = [np.empty_like(w) for w in self.weights]
        self.activate, self.times_slope = _UNITS[task.workload.activation]
        self.slope_at_output = task.workload.loss == "squared_error"
        self.eta = np.float32(task.workload.lr / batch)

    def reset(self) -> None:
        for mine, given in zip(self.weights, self.task.weights, strict=True):
            mine[...] = given
        for mine, given in zip(self.biases, self.task.biases, strict=True):
            mine[...] = given

    @np.errstate(over="ignore")  # exp(−a) may reach inf; 1 / (1 + inf) is the right 0
    def train(self, steps: int) -> None:
        for x, y in zip(self.task.x[:steps], self.task.y[:steps], strict=True):
            self._step(x, y)

    def _step(self, x: Array, y: Array) -> None:
        inputs = [x, *self.h[:-1]]
        for source, w, b, h in zip(inputs, self.weights, self.biases, self.h, strict=True):
            np.dot(source, w.T, out=h)
            h += b
            if self.activate:
                self.activate(h)
        last = len(self.h) - 1
        np.subtract(y, self.h[last], out=self.delta[last])
        if self.times_slope and self.slope_at_output:
            self.times_slope(self.delta[last], self.h[last], self.scratch[last])
        # η belongs on the small error, not on the large products: the rule is linear in it.
        self.delta[last] *= self.eta
        for layer in range(last - 1, -1, -1):
            np.dot(self.delta[layer + 1], self.feedback_t[layer], out=self.delta[layer])
            if self.times_slope:
                self.times_slope(self.delta[layer], self.h[layer], self.scratch[layer])
        for layer, source in enumerate(inputs):
            np.dot(self.delta[layer].T, source, out=self.change[layer])
            self.weights[layer] += self.change[layer]
            self.biases[layer] += self.delta[layer].sum(axis=0)

    def parameters(self) -> list[Array]:
        pairs = zip(self.weights, self.biases, strict=True)
        return [p.copy() for pair in pairs for p in pair]
