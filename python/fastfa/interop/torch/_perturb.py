"""Node perturbation: every layer learns from its own noise and one number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ...perturbation import NodePerturbation
from ._layer import Converted, check_whole, watching
from ._noise import noise
from ._operations import Operation
from ._send import count
from ._shapes import probing

Loss = Callable[[Any, Any], Tensor]


class Call(NamedTuple):
    """A use of a layer in a forward pass."""

    layer: Converted
    x: Tensor
    operation: Operation


def perturb(model: nn.Module, loss: Loss, x: Any, y: Any) -> Tensor:
    """Gradients by node perturbation, in the place of ``loss(model(x), y).backward()``.

    The batch passes twice: once clean, with each example's loss L, and once with noise ξ ~ N(0, σ²)
    added to the output of every converted layer, with L′. The gradient at a layer's output is
    (L′ − L) ξ / σ², and that of its weights follows from its clean input, as a mean over the examples,
    added to ``.grad``. Parameters of other layers get none. Dropout drops the same units in both passes;
    buffers (running means) are those of the clean one.

    Parameters
    ----------
    model : torch.nn.Module
        Converted with ``fa.NodePerturbation(sigma)``.
    loss : callable
        ``loss(model(x), y)``, one value for each example: (N,), as with ``reduction="none"``.
    x, y : Any
        A batch of N inputs and targets.

    Returns
    -------
    Tensor
        The mean of the clean losses, without a graph.

    Raises
    ------
    ValueError, TypeError
        If the model wasn't converted so, is wrapped for several processes, or the loss has another
        shape.
    RuntimeError
        If weights are sharded.

    References
    ----------
    Werfel, Xie & Seung, Neural Computation 17:2699 (2005).
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"[perturb] model was {model!r}; it must be a torch.nn.Module")
    layers = [m for m in model.modules() if isinstance(m, Converted) and m._how.carry is None]
    if not layers:
        raise ValueError(
            f"[perturb] model was {type(model).__name__}; it must have been converted with "
            "feedback=fa.NodePerturbation(sigma)"
        )
    if isinstance(model, nn.parallel.DistributedDataParallel):
        raise TypeError(
            "[perturb] model was a DistributedDataParallel, which averages what backward() leaves; it "
            "must be model.module, and gradients be averaged by dist.all_reduce"
        )
    check_whole("perturb", layers)
    clean, calls, deltas = sample(model, layers, loss, x, y)
    with torch.no_grad():
        for call, delta in zip(calls, deltas, strict=True):
            _add(call, delta / len(clean))
    for layer in layers:
        count(layer.feedback_passes)
    return clean.mean()


@torch.no_grad()
def sample(
    model: nn.Module, layers: list[Converted], loss: Loss, x: Any, y: Any
) -> tuple[Tensor, list[Call], list[Tensor]]:
    """(losses, the clean calls, the gradient at the output of each) for one sample of the noise."""
    noisy = _Noisy()
    with probing(model, training=True), watching(noisy):
        perturbed = _losses(loss, model(x), y)
    clean = _Clean()
    with watching(clean):
        losses = _losses(loss, model(x), y)
    change = perturbed - losses
    deltas = []
    for (layer, _, _), xi in zip(clean.calls, noisy.drawn, strict=True):
        if len(xi) != len(change):
            raise ValueError(
                f"[perturb] {layer._how.name} gave {len(xi)} rows; it must give one for each of the "
                f"{len(change)} examples, or be named in exclude"
            )
        rule = layer._how.rule
        assert isinstance(rule, NodePerturbation)
        deltas.append(change.reshape(-1, *[1] * (xi.dim() - 1)) * xi / rule.sigma**2)
    return losses, clean.calls, deltas


class _Clean:
    def __init__(self) -> None:
        self.calls: list[Call] = []

    def __call__(self, layer: Converted, x: Tensor, arguments: tuple[Any, ...]) -> Tensor:
        y = layer._plain(x, arguments)
        if layer._how.carry is None:
            # A copy: what comes may overwrite it.
            self.calls.append(Call(layer, x.clone(), layer._operation(x, arguments)))
        return y


class _Noisy:
    def __init__(self) -> None:
        self.drawn: list[Tensor] = []

    def __call__(self, layer: Converted, x: Tensor, arguments: tuple[Any, ...]) -> Tensor:
        y, how = layer._plain(x, arguments), layer._how
        if not isinstance(how.rule, NodePerturbation) or layer.feedback_passes is None:
            return y
        step, call = int(layer.feedback_passes), len(self.drawn)
        kept = {"seed": how.seed, "layer": how.layer, "step": step, "call": call}
        xi = how.rule.sigma * noise("perturb", tuple(y.shape), y, **kept)
        self.drawn.append(xi)
        return y + xi


def _losses(loss: Loss, output: Any, y: Any) -> Tensor:
    values = loss(output, y)
    if not isinstance(values, Tensor) or values.dim() != 1:
        shape = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
        raise ValueError(
            f"[perturb] loss gave {shape}; it must give one value for each example, (N,), as with "
            "reduction='none'"
        )
    return values.double()


def _add(call: Call, delta: Tensor) -> None:
    layer, x, operation = call
    learned: list[tuple[Tensor | None, Callable[[], Tensor]]] = [
        (layer.weight, lambda: operation.to_weight(delta.to(x.dtype), x, layer.weight)),
        (layer.bias, lambda: operation.to_bias(delta)),
    ]
    for parameter, gradient in learned:
        if parameter is None or not parameter.requires_grad:
            continue
        grad = gradient().to(parameter.dtype)
        parameter.grad = grad if parameter.grad is None else parameter.grad + grad
