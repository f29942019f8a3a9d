"""The backward pass of a converted layer."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ._carry import Carry
from ._how import How, Source
from ._operations import Operation


def count(passes: Tensor | None) -> int:
    """How often this was asked before; for what is drawn anew each time."""
    assert passes is not None  # layers of such rules have it
    before = int(passes)
    passes += 1
    return before


def send(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    matrix: Tensor | None,
    how: How,
    passes: Tensor | None,
    operation: Operation,
    carry: Carry,
    source: Source | None,
) -> Tensor:
    """``operation.forward(x, weight, bias)``, whose backward pass sends the error down by ``carry``.

    The error is the gradient of the output, or what ``source`` has; ``matrix`` is B, where it is kept.
    """
    apply: Any = _Send.apply
    y: Tensor = apply(x, weight, bias, matrix, how, passes, operation, carry, source)
    return y


def refuse(y: Tensor, name: str) -> Tensor:
    """The output of a layer of node perturbation outside of `perturb`: it has no backward pass."""
    apply: Any = _Refuse.apply
    out: Tensor = apply(y, name)
    return out


class _Send(torch.autograd.Function):
    @staticmethod
    def forward(
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        matrix: Tensor | None,
        how: How,
        passes: Tensor | None,
        operation: Operation,
        carry: Carry,
        source: Source | None,
    ) -> Tensor:
        return operation.forward(x, weight, bias)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, weight, _, matrix, ctx.how, ctx.passes, ctx.operation, ctx.carry, ctx.source = inputs
        ctx.save_for_backward(x, weight, matrix)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            raise RuntimeError(
                f"[{ctx.how.name}] create_graph was True; it must be False: what feedback sends "
                "is no derivative, so there is none of it (double backward); revert() gives backprop"
            )
        x, weight, matrix = ctx.saved_tensors
        wants_x, wants_w, wants_b, wants_matrix = ctx.needs_input_grad[:4]
        operation, how = ctx.operation, ctx.how
        to_x = to_w = to_matrix = None
        source: Tensor | None = None
        if ctx.source is not None and (wants_x or wants_matrix):
            source = ctx.source.rows(how, x).to(grad.dtype)
        held: Tensor | None = None if matrix is None else matrix.detach().to(grad.dtype)
        if ctx.carry.counts and wants_x:
            ctx.carry.step = count(ctx.passes)
        if wants_x and source is None:
            to_x = ctx.carry.layerwise(operation, grad, weight.to(grad.dtype), held, x)
        elif wants_x:
            if how.factor is not None and held is not None:
                held = held[: how.b_shape[0]] * how.factor
            to_x = ctx.carry.rows(source, held).reshape(x.shape).to(x.dtype)
        if wants_w or (wants_matrix and source is None):
            to_w = operation.to_weight(grad, x, weight)
        if wants_matrix and source is None:  # Kolen–Pollack: B learns what W learns
            to_matrix = operation.to_matrix(grad, x, to_w)
        elif wants_matrix and source is not None:
            to_matrix = x.reshape(len(source), -1).T @ source
        to_bias = operation.to_bias(grad) if wants_b else None
        return to_x, to_w if wants_w else None, to_bias, to_matrix, *[None] * 5


class _Refuse(torch.autograd.Function):
    @staticmethod
    def forward(y: Tensor, name: str) -> Tensor:
        return y.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.name = inputs[1]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        raise RuntimeError(
            f"[{ctx.name}] backward() was called on a model converted to node perturbation, which has "
            "none; call fastfa.interop.torch.perturb(model, loss, x, y)"
        )
