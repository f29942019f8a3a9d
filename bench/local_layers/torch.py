"""PyTorch in bench/local.py: no autograd, buffers made beforehand, W position-major but for einsum."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

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

_SLOPE = torch.ops.aten.tanh_backward.grad_input  # grad ∘ (1 − h²) from h, in one kernel


class _TorchLayer(Layer):
    h: Tensor  # the results of run, in whatever order
    g: Tensor

    def __init__(self, task: LayerTask, threads: int) -> None:
        super().__init__(task, threads)
        torch.set_num_threads(threads)

    def error(self) -> float:
        self.run()
        return self.task.error(*self.result())

    def result(self) -> tuple[np.ndarray, np.ndarray]:
        """h (N, UNITS) and g (WEIGHT_SHAPE)."""
        raise NotImplementedError


class BatchInnermost(_TorchLayer):
    """Position-major bmm with the batch innermost: (P, maps, taps) by (P, taps, N).

    x lies as (SIDE, SIDE, N), so that patches are copied in runs of N. h and δ are (P, maps, N).
    """

    def __init__(self, task: LayerTask, threads: int) -> None:
        super().__init__(task, threads)
        n = len(task.x)
        self.x = torch.from_numpy(np.ascontiguousarray(task.x.transpose(1, 2, 0)))
        self.w = torch.from_numpy(by_position(task.weights))
        self.delta = torch.from_numpy(np.ascontiguousarray(task.delta.T[ORDER]))
        self.delta = self.delta.view(POSITIONS, MAPS, n)
        self.windows, self.patches, self.flat = _batch_innermost(self.x)
        self.h, self.g = torch.empty(POSITIONS, MAPS, n), torch.empty_like(self.w)

    @torch.inference_mode()
    def run(self) -> None:
        self.patches.copy_(self.windows)
        torch.bmm(self.w, self.flat, out=self.h)
        torch.bmm(self.delta, self.flat.transpose(1, 2), out=self.g)

    def result(self) -> tuple[np.ndarray, np.ndarray]:
        return unit_order(self.h.numpy()), from_position(self.g.numpy())


class BatchOutside(_TorchLayer):
    """Position-major bmm on images as they come: (P, N, taps) by (P, taps, maps)."""

    def __init__(self, task: LayerTask, threads: int) -> None:
        super().__init__(task, threads)
        n = len(task.x)
        self.x = torch.from_numpy(task.x)
        self.w = torch.from_numpy(by_position(task.weights)).transpose(1, 2).contiguous()
        delta = torch.from_numpy(np.ascontiguousarray(task.delta.T[ORDER]))
        self.delta = delta.view(POSITIONS, MAPS, n).transpose(1, 2).contiguous()
        strides = (SIDE, 1, SIDE * SIDE, SIDE, 1)
        self.windows = self.x.as_strided((OUT, OUT, n, KERNEL, KERNEL), strides)
        self.patches = torch.empty(self.windows.shape)
        self.flat = self.patches.view(POSITIONS, n, TAPS)
        self.h, self.g = torch.empty(POSITIONS, n, MAPS), torch.empty_like(self.w)

    @torch.inference_mode()
    def run(self) -> None:
        self.patches.copy_(self.windows)
        torch.bmm(self.flat, self.w, out=self.h)
        torch.bmm(self.flat.transpose(1, 2), self.delta, out=self.g)

    def result(self) -> tuple[np.ndarray, np.ndarray]:
        h, g = self.h.numpy(), self.g.numpy()
        return unit_order(h.transpose(0, 2, 1)), from_position(g.transpose(0, 2, 1))


class UnfoldEinsum(_TorchLayer):
    """What most code does: unfold, then an einsum forwards and one for the gradient."""

    def __init__(self, task: LayerTask, threads: int) -> None:
        super().__init__(task, threads)
        self.x = torch.from_numpy(task.x).unsqueeze(1)
        weights = task.weights.reshape(MAPS, POSITIONS, TAPS)
        self.w = torch.from_numpy(np.ascontiguousarray(weights.transpose(1, 0, 2)))  # (P, maps, K)
        self.delta = torch.from_numpy(task.delta).view(-1, MAPS, POSITIONS)

    @torch.inference_mode()
    def run(self) -> None:
        patches = F.unfold(self.x, KERNEL)  # (N, K, P)
        self.h = torch.einsum("nkp,pmk->nmp", patches, self.w)
        self.g = torch.einsum("nmp,nkp->pmk", self.delta, patches)

    def result(self) -> tuple[np.ndarray, np.ndarray]:
        return self.h.reshape(-1, UNITS).numpy(), from_position(self.g.numpy())


class TorchNetwork(Contestant):
    """The whole step by hand. The local layer's h and δ are (units, N): the dense layer above takes
    that as a transposed operand, so that nothing is copied but the patches."""

    def __init__(self, task: Task, threads: int) -> None:
        super().__init__(task, threads)
        torch.set_num_threads(threads)
        batch, sizes = task.workload.batch, task.workload.sizes
        images = task.x.reshape(-1, batch, SIDE, SIDE).transpose(0, 2, 3, 1)
        self.x = list(torch.from_numpy(np.ascontiguousarray(images)).unbind(0))
        self.y = list(torch.from_numpy(task.y).unbind(0))
        self.start = [torch.from_numpy(p) for p in _inside(task)]
        self.state = [p.clone() for p in self.start]
        feedback = [torch.from_numpy(b).clone() for b in task.feedback]
        self.first_feedback = feedback[0][torch.from_numpy(ORDER)].contiguous()
        self.feedback_t = [b.t() for b in feedback]
        self.weights, self.biases = self.state[0::2], self.state[1::2]
        self.weights_t = [w.t() for w in self.weights[1:]]
        _, self.patches, self.flat = _batch_innermost(self.x[0])
        self.windows = [_windows(x) for x in self.x]
        self.flat_t = self.flat.transpose(1, 2)
        self.h0 = torch.empty(POSITIONS, MAPS, batch)
        self.delta0 = torch.empty_like(self.h0)
        self.delta0_rows = self.delta0.view(UNITS, batch)
        self.bias0 = self.biases[0].view(POSITIONS, MAPS, 1)
        self.h = [self.h0.view(UNITS, batch).t(), *(torch.empty(batch, n) for n in sizes[2:])]
        self.delta = [torch.empty(batch, n) for n in sizes[2:]]
        self.delta_t = [d.t() for d in self.delta]
        self.ones = torch.ones(batch)
        self.eta = task.workload.lr / batch

    def reset(self) -> None:
        for mine, given in zip(self.state, self.start, strict=True):
            mine.copy_(given)

    @torch.inference_mode()
    def train(self, steps: int) -> None:
        for windows, y in zip(self.windows[:steps], self.y[:steps], strict=True):
            self._step(windows, y)

    def _step(self, windows: Tensor, y: Tensor) -> None:
        self.patches.copy_(windows)
        torch.baddbmm(self.bias0, self.weights[0], self.flat, out=self.h0).tanh_()
        for layer, w_t in enumerate(self.weights_t):
            torch.addmm(self.biases[layer + 1], self.h[layer], w_t, out=self.h[layer + 1]).tanh_()
        delta = torch.sub(y, self.h[-1], out=self.delta[-1])
        _SLOPE(delta, self.h[-1], grad_input=delta)
        for layer in range(len(self.delta) - 1, 0, -1):
            delta = torch.mm(delta, self.feedback_t[layer], out=self.delta[layer - 1])
            _SLOPE(delta, self.h[layer], grad_input=delta)
        torch.mm(self.first_feedback, self.delta_t[0], out=self.delta0_rows)
        _SLOPE(self.delta0, self.h0, grad_input=self.delta0)
        self.weights[0].baddbmm_(self.delta0, self.flat_t, alpha=self.eta)
        self.biases[0].addmv_(self.delta0_rows, self.ones, alpha=self.eta)
        for layer, delta_t in enumerate(self.delta_t):
            self.weights[layer + 1].addmm_(delta_t, self.h[layer], alpha=self.eta)
            self.biases[layer + 1].addmv_(delta_t, self.ones, alpha=self.eta)

    def parameters(self) -> list[np.ndarray]:
        return outside([p.clone().numpy() for p in self.state])


def _inside(task: Task) -> list[np.ndarray]:
    """`task.start` in the position-major order of the local units."""
    w0, b0, w1, *rest = task.start
    return [by_position(w0), b0[ORDER], np.ascontiguousarray(w1[:, ORDER]), *rest]


def outside(state: list[np.ndarray]) -> list[np.ndarray]:
    """Back from `_inside`."""
    w0, b0, w1, *rest = state
    return [from_position(w0).reshape(WEIGHT_SHAPE), b0[BACK], w1[:, BACK], *rest]


def _windows(x: Tensor) -> Tensor:
    """The patches of x (SIDE, SIDE, N) as a view (OUT, OUT, KERNEL, KERNEL, N)."""
    row, column = x.stride()[:2]
    shape = (OUT, OUT, KERNEL, KERNEL, x.shape[2])
    return x.as_strided(shape, (row, column, row, column, 1), x.storage_offset())


def _batch_innermost(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The view, a buffer for its copy, and that buffer as (POSITIONS, TAPS, N)."""
    windows = _windows(x)
    patches = torch.empty(windows.shape)
    return windows, patches, patches.view(POSITIONS, TAPS, x.shape[2])
