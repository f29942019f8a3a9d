"""fastfa as a user would call it: the public train_epoch, its input checks and loss included."""

from __future__ import annotations

import fastfa as fa
import numpy as np
from contestants import Contestant
from workloads import Task


class FastFA(Contestant):
    def __init__(self, task: Task, threads: int) -> None:
        super().__init__(task, threads)
        fa.set_num_threads(threads)
        rule = task.workload
        self.net = fa.Network(
            rule.sizes[0],
            [fa.Dense(units, activation=rule.activation) for units in rule.sizes[1:]],
            feedback=fa.Feedback("uniform", scale=rule.feedback_scale),
            loss=rule.loss,
        )
        for mine, given in zip(self.net.feedback_matrices, task.feedback, strict=True):
            mine[...] = given
        self.optimizer = fa.SGD(rule.lr)
        self.x = task.x.reshape(-1, task.x.shape[-1])  # (N, n_in), a view
        self.y = task.y.reshape(-1, task.y.shape[-1])

    def reset(self) -> None:
        for layer, (w, b) in enumerate(zip(self.task.weights, self.task.biases, strict=True)):
            self.net.weights[layer][...] = w
            self.net.biases[layer][...] = b

    def train(self, steps: int) -> None:
        batch = self.task.workload.batch
        n = steps * batch
        self.net.train_epoch(self.x[:n], self.y[:n], self.optimizer, batch_size=batch)

    def parameters(self) -> list[np.ndarray]:
        pairs = zip(self.net.weights, self.net.biases, strict=True)
        return [np.array(p) for pair in pairs for p in pair]
