"""fastfa with many small networks: the ensemble in one call, and one network after another."""

from __future__ import annotations

import fastfa as fa
import numpy as np

from contestants import Contestant
from contestants.fastfa import network, parameters, put
from tasks.workloads import Task


class OneByOne(Contestant):
    """What an ensemble must beat: `train_epoch` of each network in turn."""

    def __init__(self, task: Task, threads: int) -> None:
        super().__init__(task, threads)
        fa.set_num_threads(threads)
        self.nets = [network(replica) for replica in task.replicas]
        self.optimizer = fa.SGD(task.workload.lr)
        self.batch = task.workload.batch
        self.x = task.x.reshape(-1, task.x.shape[-1])
        self.y = task.y.reshape(-1, task.y.shape[-1])

    def reset(self) -> None:
        for net, replica in zip(self.nets, self.task.replicas, strict=True):
            put(net, replica)

    def train(self, steps: int) -> None:
        n = steps * self.batch
        for net in self.nets:
            net.train_epoch(self.x[:n], self.y[:n], self.optimizer, batch_size=self.batch)

    def parameters(self) -> list[np.ndarray]:
        return [p for net in self.nets for p in parameters(net)]


class Ensemble(OneByOne):
    """The public `Ensemble.train_epoch`; the networks given to it hold the weights."""

    def __init__(self, task: Task, threads: int) -> None:
        super().__init__(task, threads)
        self.ensemble = fa.Ensemble(self.nets)

    def train(self, steps: int) -> None:
        n = steps * self.batch
        self.ensemble.train_epoch(self.x[:n], self.y[:n], self.optimizer, batch_size=self.batch)
