"""PyTorch with many small networks by hand: batched products into buffers made beforehand.

All replicas see the same example, so that the first layer of all of them is one matrix (R n_1, n_0):
its product is one mv, its update one rank-1 addr_. Layers above are batches of R matrices.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from contestants import Contestant
from contestants.torch import _ACTIVATION_IN_PLACE, _SLOPE
from tasks.workloads import Task


class TorchBmm(Contestant):
    def __init__(self, task: Task, threads: int) -> None:
        super().__init__(task, threads)
        what = task.workload
        if what.batch != 1:
            raise ValueError(f"batch was {what.batch}; this contestant learns online only")
        torch.set_num_threads(threads)
        self.x = list(torch.from_numpy(task.x[:, 0]).unbind(0))  # each (n_in,)
        self.y = list(torch.from_numpy(task.y[:, 0, :, None]).unbind(0))  # each (n_out, 1)
        self.start = _stacked([replica.start for replica in task.replicas])
        self.state = [p.clone() for p in self.start]
        self.feedback = _stacked([replica.feedback for replica in task.replicas])
        count, sizes = len(task.replicas), what.sizes
        self.weights = self.state[0::2]  # (R, n_out, n_in)
        self.biases = [b.unsqueeze(2) for b in self.state[1::2]]  # (R, n_out, 1)
        self.h = [torch.empty(count, n, 1) for n in sizes[1:]]
        self.h_t = [h.transpose(1, 2) for h in self.h]
        self.delta = [torch.empty_like(h) for h in self.h]
        self.first = self.weights[0].view(-1, sizes[0])  # (R n_1, n_0)
        self.first_bias, self.first_h, self.first_delta = (
            a.view(-1) for a in (self.biases[0], self.h[0], self.delta[0])
        )
        self.activate, self.slope = _ACTIVATION_IN_PLACE[what.activation], _SLOPE[what.activation]
        self.slope_at_output = what.loss == "squared_error"
        self.eta = what.lr

    def reset(self) -> None:
        for mine, given in zip(self.state, self.start, strict=True):
            mine.copy_(given)

    @torch.inference_mode()
    def train(self, steps: int) -> None:
        for x, y in zip(self.x[:steps], self.y[:steps], strict=True):
            self._step(x, y)

    def _step(self, x: Tensor, y: Tensor) -> None:
        last = len(self.h) - 1
        torch.addmv(self.first_bias, self.first, x, out=self.first_h)
        for layer, h in enumerate(self.h):
            if layer:
                torch.baddbmm(self.biases[layer], self.weights[layer], self.h[layer - 1], out=h)
            if self.activate:
                self.activate(h)
        delta = torch.sub(y, self.h[last], out=self.delta[last])
        if self.slope and self.slope_at_output:
            self.slope(delta, self.h[last], grad_input=delta)
        for layer in range(last - 1, -1, -1):
            delta = torch.bmm(self.feedback[layer], delta, out=self.delta[layer])
            if self.slope:
                self.slope(delta, self.h[layer], grad_input=delta)
        self.first.addr_(self.first_delta, x, alpha=self.eta)
        self.biases[0].add_(self.delta[0], alpha=self.eta)
        for layer in range(1, last + 1):
            self.weights[layer].baddbmm_(self.delta[layer], self.h_t[layer - 1], alpha=self.eta)
            self.biases[layer].add_(self.delta[layer], alpha=self.eta)

    def parameters(self) -> list[np.ndarray]:
        state = [p.numpy().copy() for p in self.state]
        return [p[replica] for replica in range(len(self.task.replicas)) for p in state]


def _stacked(arrays: list) -> list[Tensor]:
    """One list of arrays per replica → one tensor per parameter, (replicas, …)."""
    return [torch.from_numpy(np.stack(same)) for same in zip(*arrays, strict=True)]
