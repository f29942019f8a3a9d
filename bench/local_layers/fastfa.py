"""fastfa in bench/local.py: the layer timed inside the core, the public step, the whole network."""

from __future__ import annotations

import fastfa as fa
import numpy as np

from contestants import Contestant
from contestants.fastfa import FastFA
from local_layers.layer import Layer
from local_layers.tasks import (
    KERNEL,
    MAPS,
    READOUT,
    SIDE,
    WEIGHT_SHAPE,
    LayerTask,
    train,
    training_task,
)
from tasks.reference import update_error
from tasks.workloads import Task


class Core(Layer):
    """Forward and weight gradient, timed by the core; the update at rate 0 is included."""

    def __init__(self, task: LayerTask, threads: int) -> None:
        super().__init__(task, threads)
        fa.set_num_threads(threads)
        layer = fa.LocallyConnected2D(MAPS, KERNEL, activation="linear", bias=False)
        self.net = fa.Network((SIDE, SIDE), [layer], loss="squared_error", dtype="float32")
        self.net.weights[0][...] = task.weights
        self.x = task.x.reshape(len(task.x), -1)
        self.y = (task.h + task.delta).astype(np.float32)  # so that y − h is delta

    def error(self) -> float:
        before = np.array(self.net.weights[0], np.float64)
        h = np.array(self.net.forward(self.x))
        self.net.step(self.x, self.y, fa.SGD(1.0))
        gradient = (np.array(self.net.weights[0], np.float64) - before) * len(self.x)
        self.net.weights[0][...] = self.task.weights
        return self.task.error(h, gradient)

    def seconds(self) -> float:
        return self.net._net.time_layer(0, len(self.x), 1)

    def run(self) -> None:
        self.net._net.time_layer(0, len(self.x), 1)


class PublicStep(Layer):
    """`net.step` of 784-3174-1 tanh: input checks, loss, biases, feedback and updates included."""

    def __init__(self, task: LayerTask, threads: int) -> None:
        super().__init__(task, threads)
        whole = training_task(READOUT)
        self.contestant = LocalNetwork(whole, threads)
        self.x, self.y = whole.x[0], whole.y[0]

    def error(self) -> float:
        task = self.contestant.task
        self.contestant.reset()
        self.contestant.train(1)
        error = update_error(task.start, self.contestant.parameters(), train(task, 1))
        self.contestant.reset()
        return error

    def run(self) -> None:
        self.contestant.net.step(self.x, self.y, self.contestant.optimizer)


class LocalNetwork(FastFA):
    """The public `train_epoch`, as in run.py, with the local layer first."""

    def __init__(self, task: Task, threads: int) -> None:
        Contestant.__init__(self, task, threads)
        fa.set_num_threads(threads)
        rule = task.workload
        first = fa.LocallyConnected2D(MAPS, KERNEL, activation=rule.activation)
        rest = [fa.Dense(units, activation=rule.activation) for units in rule.sizes[2:]]
        self.net = fa.Network(
            (SIDE, SIDE),
            [first, *rest],
            feedback=fa.Feedback("uniform", scale=rule.feedback_scale),
            loss=rule.loss,
            dtype="float32",
        )
        assert self.net.weights[0].shape == WEIGHT_SHAPE
        for mine, given in zip(self.net.feedback_matrices, task.feedback, strict=True):
            mine[...] = given
        self.optimizer = fa.SGD(rule.lr)
        self.x = task.x.reshape(-1, task.x.shape[-1])
        self.y = task.y.reshape(-1, task.y.shape[-1])
