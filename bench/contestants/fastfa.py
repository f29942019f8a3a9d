"""fastfa as a user would call it: the public train_epoch, its input checks and loss included."""

from __future__ import annotations

import fastfa as fa
import numpy as np

from contestants import Contestant
from tasks.workloads import Task


class FastFA(Contestant):
    rule = "fa"

    def __init__(self, task: Task, threads: int) -> None:
        super().__init__(task, threads)
        fa.set_num_threads(threads)
        self.net = network(task, self.rule)
        self.optimizer = fa.SGD(task.workload.lr)
        self.x = task.x.reshape(-1, task.x.shape[-1])  # (N, n_in), a view
        self.y = task.y.reshape(-1, task.y.shape[-1])

    def reset(self) -> None:
        put(self.net, self.task)

    def train(self, steps: int) -> None:
        batch = self.task.workload.batch
        n = steps * batch
        self.net.train_epoch(self.x[:n], self.y[:n], self.optimizer, batch_size=batch)

    def parameters(self) -> list[np.ndarray]:
        return parameters(self.net)


class FastFADirect(FastFA):
    rule = "dfa"


class FastFABackprop(FastFA):
    rule = "bp"


def network(task: Task, rule: str = "fa") -> fa.Network:
    """The task's network, with its own B where the rule has one."""
    what = task.workload
    route = "direct" if rule == "dfa" else "layerwise"
    net = fa.Network(
        what.sizes[0],
        [fa.Dense(units, activation=what.activation) for units in what.sizes[1:]],
        "bp" if rule == "bp" else fa.Feedback("uniform", scale=what.feedback_scale, route=route),
        loss=what.loss,
    )
    if rule != "bp":
        given = task.direct if rule == "dfa" else task.feedback
        for mine, theirs in zip(net.feedback_matrices, given, strict=True):
            mine[...] = theirs
    return net


def put(net: fa.Network, task: Task) -> None:
    """Write the task's start into the network."""
    for layer, (w, b) in enumerate(zip(task.weights, task.biases, strict=True)):
        net.weights[layer][...] = w
        net.biases[layer][...] = b


def parameters(net: fa.Network) -> list[np.ndarray]:
    return [np.array(p) for pair in zip(net.weights, net.biases, strict=True) for p in pair]
