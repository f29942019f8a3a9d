"""PyTorch three ways: autograd with a custom Function, by hand without autograd, and compiled.

All three keep the batches as views of one tensor, made beforehand. The second and third compute no
loss (nobody needs it for the update); the first computes the loss that autograd starts from.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from contestants import Contestant
from tasks.workloads import Task

ACTIVATION = {"logistic": torch.sigmoid, "tanh": torch.tanh, "linear": lambda a: a}
_ACTIVATION_IN_PLACE = {"logistic": Tensor.sigmoid_, "tanh": Tensor.tanh_, "linear": None}
# grad_input = grad ∘ σ′ from h = σ(a), in one kernel
_SLOPE = {
    "logistic": torch.ops.aten.sigmoid_backward.grad_input,
    "tanh": torch.ops.aten.tanh_backward.grad_input,
    "linear": None,
}


class TorchBase(Contestant):
    """Tensors that all PyTorch contestants share."""

    def __init__(self, task: Task, threads: int) -> None:
        super().__init__(task, threads)
        torch.set_num_threads(threads)
        self.x = list(torch.from_numpy(task.x).unbind(0))  # each (batch, n_in)
        self.y = list(torch.from_numpy(task.y).unbind(0))
        self.start = [torch.from_numpy(p).clone() for p in task.start]
        self.state = [p.clone() for p in self.start]  # W_0, b_0, W_1, b_1, …
        self.feedback = [torch.from_numpy(b).clone() for b in task.feedback]

    def reset(self) -> None:
        with torch.no_grad():
            for mine, given in zip(self.state, self.start, strict=True):
                mine.copy_(given)

    def parameters(self) -> list[np.ndarray]:
        return [p.detach().clone().numpy() for p in self.state]


def mean_loss(kind: str, output: Tensor, y: Tensor) -> Tensor:
    """Mean over the batch of the summed loss; `output` is the logit for cross_entropy."""
    if kind == "cross_entropy":
        return F.binary_cross_entropy_with_logits(output, y, reduction="sum") / len(y)
    return F.mse_loss(output, y, reduction="sum") * (0.5 / len(y))


class _FeedbackLinear(torch.autograd.Function):
    """h Wᵀ + b forwards; backwards the error goes through `feedback` (n_in, n_out), not W."""

    @staticmethod
    def forward(ctx, h: Tensor, weight: Tensor, bias: Tensor, feedback: Tensor | None) -> Tensor:
        ctx.save_for_backward(h, feedback)
        return torch.addmm(bias, h, weight.t())

    @staticmethod
    def backward(ctx, delta: Tensor) -> tuple[Tensor | None, ...]:
        h, feedback = ctx.saved_tensors
        to_source = delta.mm(feedback.t()) if ctx.needs_input_grad[0] else None
        return to_source, delta.t().mm(h), delta.sum(0), None


class TorchAutograd(TorchBase):
    def __init__(self, task: Task, threads: int) -> None:
        super().__init__(task, threads)
        for p in self.state:
            p.requires_grad_(True)
        self.optimizer = torch.optim.SGD(self.state, lr=task.workload.lr, fused=True)
        self.activation = ACTIVATION[task.workload.activation]
        self.feedback_below = [None, *self.feedback]  # the matrix out of layer l's error, by l

    def train(self, steps: int) -> None:
        loss, layers = self.task.workload.loss, len(self.feedback_below)
        for x, y in zip(self.x[:steps], self.y[:steps], strict=True):
            h = x
            for layer, feedback in enumerate(self.feedback_below):
                weight, bias = self.state[2 * layer : 2 * layer + 2]
                h = _FeedbackLinear.apply(h, weight, bias, feedback)
                if layer < layers - 1 or loss != "cross_entropy":
                    h = self.activation(h)
            self.optimizer.zero_grad(set_to_none=True)
            mean_loss(loss, h, y).backward()
            self.optimizer.step()


class TorchManual(TorchBase):
    """No autograd: each product lands where it is needed, W ← W + η δᵀ h is one addmm_."""

    def __init__(self, task: Task, threads: int) -> None:
        super().__init__(task, threads)
        batch, sizes = task.workload.batch, task.workload.sizes
        self.weights, self.biases = self.state[0::2], self.state[1::2]
        self.weights_t = [w.t() for w in self.weights]
        self.feedback_t = [b.t() for b in self.feedback]
        self.h = [torch.empty(batch, n) for n in sizes[1:]]
        self.delta = [torch.empty(batch, n) for n in sizes[1:]]
        self.delta_t = [d.t() for d in self.delta]
        self.ones = torch.ones(batch)
        self.activate = _ACTIVATION_IN_PLACE[task.workload.activation]
        self.slope = _SLOPE[task.workload.activation]
        self.slope_at_output = task.workload.loss == "squared_error"
        self.eta = task.workload.lr / batch

    @torch.inference_mode()
    def train(self, steps: int) -> None:
        for x, y in zip(self.x[:steps], self.y[:steps], strict=True):
            self._step(x, y)

    def _step(self, x: Tensor, y: Tensor) -> None:
        source, last = x, len(self.h) - 1
        for w_t, b, h in zip(self.weights_t, self.biases, self.h, strict=True):
            torch.addmm(b, source, w_t, out=h)
            if self.activate:
                self.activate(h)
            source = h
        delta = torch.sub(y, self.h[last], out=self.delta[last])
        if self.slope and self.slope_at_output:
            self.slope(delta, self.h[last], grad_input=delta)
        for layer in range(last - 1, -1, -1):
            delta = torch.mm(delta, self.feedback_t[layer], out=self.delta[layer])
            if self.slope:
                self.slope(delta, self.h[layer], grad_input=delta)
        source = x
        for layer, delta_t in enumerate(self.delta_t):
            self.weights[layer].addmm_(delta_t, source, alpha=self.eta)
            self.biases[layer].addmv_(delta_t, self.ones, alpha=self.eta)
            source = self.h[layer]


class TorchCompile(TorchBase):
    """The step as one graph: inductor may fuse element-wise work with the rank-1 update."""

    def __init__(self, task: Task, threads: int) -> None:
        super().__init__(task, threads)
        torch.compiler.reset()
        self.step = torch.compile(
            _step_function(task), fullgraph=True, dynamic=False, options={"cpp_wrapper": True}
        )
        if task.workload.batch == 1:  # vectors, so that δ hᵀ is element-wise work and can fuse
            self.x = [x[0] for x in self.x]
            self.y = [y[0] for y in self.y]

    @torch.no_grad()
    def train(self, steps: int) -> None:
        for x, y in zip(self.x[:steps], self.y[:steps], strict=True):
            self.step(x, y, self.state, self.feedback)


def _step_function(task: Task):
    rule = task.workload
    activation = ACTIVATION[rule.activation]
    one, eta = rule.batch == 1, rule.lr / rule.batch

    def slope(h: Tensor) -> Tensor | float:
        return {"logistic": lambda: h * (1 - h), "tanh": lambda: 1 - h * h}.get(
            rule.activation, lambda: 1.0
        )()

    def step(x: Tensor, y: Tensor, state: list[Tensor], feedback: list[Tensor]) -> None:
        h = [x]
        for weight, bias in zip(state[0::2], state[1::2], strict=True):
            a = torch.mv(weight, h[-1]) + bias if one else torch.addmm(bias, h[-1], weight.t())
            h.append(activation(a))
        delta = (y - h[-1]) * eta
        if rule.loss == "squared_error":
            delta = delta * slope(h[-1])
        for layer in range(len(state) // 2 - 1, -1, -1):
            weight, bias = state[2 * layer : 2 * layer + 2]
            below = h[layer]
            if layer > 0:
                b = feedback[layer - 1]
                sent = (torch.mv(b, delta) if one else delta.mm(b.t())) * slope(below)
            if one:
                weight.add_(delta[:, None] * below[None, :])
                bias.add_(delta)
            else:
                weight.addmm_(delta.t(), below)
                bias.add_(delta.sum(0))
            if layer > 0:
                delta = sent

    return step
