"""BioTorch's own feedback-alignment layer, in the training loop that its users write.

Its `weight_backward` (n_out, n_in) carries the error out of a layer, so layer l + 1 holds B_lᵀ.
Alignment metrics are off, as they are by default.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from biotorch.layers.fa import Linear

from contestants.torch import ACTIVATION, TorchBase, mean_loss
from tasks.workloads import Task


class BioTorch(TorchBase):
    def __init__(self, task: Task, threads: int) -> None:
        super().__init__(task, threads)
        sizes = task.workload.sizes
        self.layers = [Linear(n, n_out) for n, n_out in pairwise(sizes)]
        self.state = [p for layer in self.layers for p in (layer.weight, layer.bias)]
        with torch.no_grad():
            for layer, feedback in zip(self.layers[1:], self.feedback, strict=True):
                layer.weight_backward.copy_(feedback.t())
        self.optimizer = torch.optim.SGD(self.state, lr=task.workload.lr, fused=True)
        self.activation = ACTIVATION[task.workload.activation]

    def train(self, steps: int) -> None:
        loss = self.task.workload.loss
        for x, y in zip(self.x[:steps], self.y[:steps], strict=True):
            h = x
            for layer in self.layers[:-1]:
                h = self.activation(layer(h))
            h = self.layers[-1](h)
            if loss != "cross_entropy":
                h = self.activation(h)
            self.optimizer.zero_grad(set_to_none=True)
            mean_loss(loss, h, y).backward()
            self.optimizer.step()
