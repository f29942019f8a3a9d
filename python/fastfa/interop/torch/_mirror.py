"""The weight mirror's own phase: B learns from noise what the weights are."""

from __future__ import annotations

import torch
from torch import nn

from ... import _check
from ._layer import TRANSPOSED, Converted, check_whole
from ._local import LocallyConnected2d
from ._noise import noise
from ._send import count


def mirror(model: nn.Module, examples: int) -> int:
    """One mirror phase of every layer whose B is a weight mirror, after an optimizer's step.

    Each such layer is given noise ξ of the shape of the input that it saw last, with standard deviation
    ``noise``, answers z = f(ξ) + b, or W's part of it alone if ``centred``, and B learns how the two go
    together: B ← B + growth Σ ξ zᵀ − decay B, the sum over the examples and, in a convolution, over the
    positions, which share B. The slope of units above counts as 1, as a layer
    doesn't know them. ``WeightMirror.every`` counts calls of this function. The noise depends on the
    seed, layer and phase alone, so that replicas stay equal.

    Parameters
    ----------
    model : torch.nn.Module
        Converted, or with a converted model in it; a convolution must have seen an input.
    examples : int
        N, the number of noise vectors: a batch's size. From 1.

    Returns
    -------
    int
        How many B have learned.

    Raises
    ------
    ValueError, TypeError
        If an argument is wrong, or no layer of the model has a weight mirror.
    RuntimeError
        If weights are sharded.

    References
    ----------
    Akrout, Wilson, Humphreys, Lillicrap & Tweed, Advances in Neural Information Processing Systems 32
    (2019), equation 7.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"[mirror] model was {model!r}; it must be a torch.nn.Module")
    examples = _check.integer("mirror", "examples", examples, 1, 2**31 - 1)
    layers = [m for m in model.modules() if isinstance(m, Converted) and m._how.mirror]
    if not layers:
        raise ValueError(
            f"[mirror] model was {type(model).__name__} without a weight mirror; it must have been "
            "converted with feedback='wm' or plasticity='weight_mirror'"
        )
    check_whole("mirror", layers)
    for layer in layers:
        if not isinstance(layer, nn.Linear | LocallyConnected2d) and not layer._how.seen:
            raise ValueError(
                f"[mirror] {layer._how.name} has seen no input; it must have, so that its size is known"
            )
    return sum(_learn(layer, examples) for layer in layers)


@torch.no_grad()
def _learn(layer: Converted, examples: int) -> bool:
    how, rule, b = layer._how, layer._how.mirror, layer.feedback_matrix
    assert rule is not None
    assert b is not None
    phase = count(layer.feedback_passes)
    if (phase + 1) % rule.every:
        return False
    shape = _example(layer)
    xi = rule.noise * noise(
        "mirror", (examples, *shape), layer.weight, seed=how.seed, layer=how.layer, step=phase
    )
    bias = None if rule.centred else layer.bias
    z = how.operation.forward(xi, layer.weight, bias)
    together = how.operation.to_weight(z, xi, layer.weight)
    together = how.operation.to_matrix(z, xi, together)
    decay = min(1.0, examples / (20 * how.operation.units)) if rule.decay is None else rule.decay
    growth = rule.growth
    if growth is None:  # each element of B is met by as many pairs as its patch has positions
        growth = decay / (examples * _positions(layer, xi, z) * rule.noise**2)
    b.mul_(1 - decay).add_(together, alpha=growth)
    return True


def _example(layer: Converted) -> tuple[int, ...]:
    if isinstance(layer, nn.Linear):
        return (layer.in_features,)
    if isinstance(layer, LocallyConnected2d):
        return layer._image
    seen = layer._how.seen  # with or without a batch
    return seen[len(seen) - layer.weight.dim() + 1 :]


def _positions(layer: Converted, xi: torch.Tensor, z: torch.Tensor) -> float:
    """How many pairs of an input and an output share an element of B, in one example."""
    if isinstance(layer, nn.Linear | LocallyConnected2d):
        return 1
    shared = xi if isinstance(layer, TRANSPOSED) else z
    return shared[0, 0].numel()
