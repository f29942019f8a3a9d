"""A linear layer with feedback of ours, made by hand."""

from __future__ import annotations

from typing import Any

import torch

from ... import _check
from ...feedback import Feedback
from ...rules import one_rule
from ._layer import Converted, equip, register
from ._plan import layerwise


@register
class FeedbackLinear(Converted, torch.nn.Linear):
    """``y = x Wᵀ + b`` whose backward pass sends ``B ∂L/∂y`` down, instead of ``Wᵀ ∂L/∂y``.

    The gradients of W and b are the true ones for the error that arrives; ∘ σ′ is autograd's part, as
    in any model. A layer of such layers is feedback alignment. Its first layer needs none of this: it
    has no hidden layer below. This is what :func:`convert` makes of a ``torch.nn.Linear``.

    Parameters
    ----------
    in_features, out_features, bias, device, dtype
        As for ``torch.nn.Linear``, whose initial weights it has.
    feedback : str, Feedback, or an object with ``propagate(delta)``
        B (in_features, out_features), route layerwise. With ``"kolen_pollack"`` B is a parameter, whose
        gradient is the transpose of W's, so that an optimizer with weight decay makes the two agree;
        with the weight mirror it changes in :func:`mirror`.
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
        If an argument is wrong, or the feedback has another route, which takes a whole model.

    Notes
    -----
    ``"procedural"``, ``"sign"`` with redrawn magnitudes and custom objects are run by fastfa or by the
    object, in main memory, whatever device the module is on.

    References
    ----------
    Lillicrap, Cownden, Tweed & Akerman, Nature Communications 7:13276 (2016), equation 2.
    """

    _original = torch.nn.Linear

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
        rule = _check_rule(one_rule(feedback, "feedback[0]", where))
        seed = _check.integer(where, "seed", seed, 0, 2**64 - 1)
        number = _check.integer(where, "layer", layer, 0, 2**24 - 1)
        last = _check.flag(where, "last", last)
        torch.nn.Linear.__init__(self, in_features, out_features, bias, device=device, dtype=dtype)
        equip(self, layerwise(rule, self, name=where, seed=seed, number=number, last=last))


def _check_rule(rule: Feedback) -> Feedback:
    if rule.route != "layerwise":
        raise ValueError(
            f"[FeedbackLinear] feedback.route was {rule.route!r}; it must be 'layerwise': a layer sees "
            "the error of its own output only; convert() serves whole models"
        )
    return rule
