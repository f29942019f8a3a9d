"""A linear layer that sends the error down through a feedback matrix of ours."""

from __future__ import annotations

from typing import Any

import torch
from torch.autograd.function import once_differentiable

from ... import _check
from ..._feedback_arguments import PLASTIC
from ...feedback import Feedback
from ...rules import one_rule
from ._carry import Carry, carry_of


class FeedbackLinear(torch.nn.Linear):
    """``y = x Wᵀ + b`` whose backward pass sends ``B ∂L/∂y`` down, instead of ``Wᵀ ∂L/∂y``.

    The gradients of W and b are the true ones for the error that arrives; ∘ σ′ is autograd's part, as
    in any model. A layer of such layers is feedback alignment. Its first layer needs none of this: it
    has no hidden layer below.

    Parameters
    ----------
    in_features, out_features, bias, device, dtype
        As for ``torch.nn.Linear``, whose initial weights it has.
    feedback : str, Feedback, or an object with ``propagate(delta)``
        B (in_features, out_features), route layerwise. Plasticity fixed, or ``"kolen_pollack"``: then
        B is a parameter, whose gradient is the transpose of W's, so that an optimizer with weight
        decay makes the two agree.
    seed, layer : int
        Of a fastfa network that has the same B into its hidden layer ``layer`` (0 is the first).
    last : bool
        Whether that is its last hidden layer, which is what ``"equal_error"`` depends on. Errors are
        then equal before ∘ σ′: this layer doesn't know the units below it, so their slope counts as 1.

    Attributes
    ----------
    feedback : Feedback
        Not to be assigned.
    feedback_matrix : Tensor or None
        B where it is a matrix in memory, a buffer (a parameter with ``"kolen_pollack"``), in which
        case it moves with the module; the magnitudes for ``"sign"``; else None.

    Raises
    ------
    ValueError, TypeError
        If an argument is wrong, or the feedback has another route or the weight mirror.

    Notes
    -----
    ``"procedural"``, ``"sign"`` with redrawn magnitudes and custom objects are run by fastfa or by the
    object, in main memory, whatever device the module is on.

    References
    ----------
    Lillicrap, Cownden, Tweed & Akerman, Nature Communications 7:13276 (2016), equation 2.
    """

    feedback: Feedback

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        feedback: Any = "fa",
        seed: int = 0,
        layer: int = 0,
        last: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        where = "FeedbackLinear"
        in_features = _check.integer(where, "in_features", in_features, 1, 2**31 - 1)
        out_features = _check.integer(where, "out_features", out_features, 1, 2**31 - 1)
        rule = one_rule(feedback, "feedback[0]", where)
        carry = carry_of(
            _check_rule(rule),
            in_features,
            out_features,
            seed=_check.integer(where, "seed", seed, 0, 2**64 - 1),
            layer=_check.integer(where, "layer", layer, 0, 2**24 - 1),
            last=_check.flag(where, "last", last),
        )
        super().__init__(in_features, out_features, bias, device=device, dtype=dtype)
        self.__dict__["feedback"], self._carry = rule, carry
        if carry.matrix is None:
            self.feedback_matrix = None
            return
        matrix = torch.as_tensor(carry.matrix).to(self.weight)
        if rule.plasticity == "kolen_pollack":
            self.feedback_matrix = torch.nn.Parameter(matrix)
        else:
            self.register_buffer("feedback_matrix", matrix)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "feedback":
            raise AttributeError(
                "[FeedbackLinear] feedback can't be assigned: B was made from it; make another "
                "FeedbackLinear, and give it this one's state_dict() if its weights are to stay"
            )
        super().__setattr__(name, value)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x (..., in_features) → (..., out_features)."""
        return _Linear.apply(x, self.weight, self.bias, self.feedback_matrix, self._carry)

    def extra_repr(self) -> str:
        """What the module's printed form says in brackets."""
        return f"{super().extra_repr()}, feedback={self.feedback!r}"


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        matrix: torch.Tensor | None,
        carry: Carry,
    ) -> torch.Tensor:
        return torch.nn.functional.linear(x, weight, bias)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
        x, weight, _, matrix, ctx.carry = inputs
        ctx.save_for_backward(x, weight, matrix)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight, matrix = ctx.saved_tensors
        wants_x, wants_w, wants_b, wants_matrix, _ = ctx.needs_input_grad
        rows, h = grad.reshape(-1, grad.shape[-1]), x.reshape(-1, x.shape[-1])
        grad_w = rows.T @ h if wants_w or wants_matrix else None
        return (
            ctx.carry(rows, weight, matrix).reshape(x.shape) if wants_x else None,
            grad_w if wants_w else None,
            rows.sum(0) if wants_b else None,
            grad_w.T
            if grad_w is not None and wants_matrix
            else None,  # Kolen–Pollack: B learns what W learns
            None,
        )


def _check_rule(rule: Feedback) -> Feedback:
    if rule.route != "layerwise":
        raise ValueError(
            f"[FeedbackLinear] feedback.route was {rule.route!r}; it must be 'layerwise': a layer sees "
            "the error of its own output only"
        )
    if rule.plasticity not in ("fixed", "kolen_pollack"):
        raise ValueError(
            f"[FeedbackLinear] feedback.plasticity was {rule.plasticity!r}; it must be 'fixed' or "
            f"'kolen_pollack' (of {', '.join(PLASTIC)})"
        )
    return rule
