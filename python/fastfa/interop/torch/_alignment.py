"""The instruments on a model of PyTorch's: how its error compares with backprop's."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from ... import _check
from ...metrics import LayerAlignment
from ._carry import Pseudoinverse
from ._layer import Converted, check_whole, watching
from ._measures import Measured, measures_of
from ._perturb import sample
from ._shapes import probing
from ._sources import hubs, targets

_CHEAP = 256  # rows or columns of a W whose pseudoinverse costs little


def alignment(
    model: nn.Module,
    loss: Callable[[Any, Any], Tensor],
    x: Any,
    y: Any,
    *,
    pseudobackprop: bool | None = None,
) -> dict[str, LayerAlignment]:
    """Compare a converted model's feedback with backprop's on the same weights, layer by layer.

    Runs the model on a probe batch with its own feedback and again with the true transposes, in the mode
    that it is in, with the same dropout; gradients, buffers and random numbers stay as they were. For
    models with node perturbation the deltas are those of one sample of its noise.

    Parameters
    ----------
    model : torch.nn.Module
        Converted, or with a converted model in it; on any device.
    loss : callable
        ``loss(model(x), y)``: a number, or with node perturbation one for each example.
    x, y : Any
        The probe batch.
    pseudobackprop : bool, optional
        Whether to compare with pseudobackprop, too. Default: where all converted layers are ``Linear``
        and the smaller side of each is at most 256.

    Returns
    -------
    dict of str to fastfa.metrics.LayerAlignment
        For each converted layer, by its name, in the tree's order. ``angle_bp``, ``angle_pbp``,
        ``norm_ratio`` and ``gradient_angle`` are those of the error at the layer's own *output* and of
        its weights' gradient. What needs B is that of the layer's *own* B, by which it sends the error
        on to its input: in a chain, where a network says ``result[l].weight_angle``, the layer above
        has it. It is there for the route layerwise and a B in the layout of the weights; of
        convolutions, B and W are the kernels, ``neuron_angles`` those of input channels, and
        ``descent`` takes whole images. e and δ are minus the gradient of the loss as it is given, so
        ``descent`` and ``trace_abe`` are those of fastfa for a loss that is a sum.

    Raises
    ------
    ValueError, TypeError
        If the model has no converted layer, or an argument is wrong.
    RuntimeError
        If weights are sharded.
    """
    where = "alignment"
    if not isinstance(model, nn.Module):
        raise TypeError(f"[{where}] model was {model!r}; it must be a torch.nn.Module")
    if not callable(loss):
        raise TypeError(
            f"[{where}] loss was {loss!r}; it must be a function of an output and a target"
        )
    if pseudobackprop is not None:
        _check.flag(where, "pseudobackprop", pseudobackprop)
    layers = [m for m in model.modules() if isinstance(m, Converted)]
    if not layers:
        raise ValueError(
            f"[{where}] model was {type(model).__name__} without converted layers; it must have been "
            "converted"
        )
    check_whole(where, layers)
    linear = all(isinstance(layer, nn.Linear) for layer in layers)
    if pseudobackprop and not linear:
        raise ValueError(
            f"[{where}] pseudobackprop was True for a model that has other layers than Linear; it must "
            "be False or None there"
        )
    if pseudobackprop is None:
        pseudobackprop = linear and all(min(layer.weight.shape) <= _CHEAP for layer in layers)

    perturbed = [layer for layer in layers if layer._how.carry is None]
    scalar = (lambda output, target: loss(output, target).mean()) if perturbed else loss
    with _Untouched(layers), torch.enable_grad():
        true = _run(model, layers, scalar, x, y, _True())
        own = true if perturbed else _run(model, layers, scalar, x, y, _Own())
        inverse = _run(model, layers, scalar, x, y, _Pseudo()) if pseudobackprop else None
        if perturbed:
            with probing(model, training=True):
                own = _sampled(model, perturbed, loss, x, y)
    return {
        layer._how.name: measures_of(i, layer, own, true, inverse) for i, layer in enumerate(layers)
    }


class _Untouched:
    """Puts back what feedback keeps between passes beside buffers."""

    def __init__(self, layers: list[Converted]) -> None:
        carries = [layer._how.carry for layer in layers if layer._how.carry is not None]
        self._kept = [(carry, dict(carry.__dict__)) for carry in carries]
        self._seen = [(layer._how, layer._how.seen) for layer in layers]

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None:
        for carry, values in self._kept:
            carry.__dict__.clear()
            carry.__dict__.update(values)
        for how, seen in self._seen:
            how.seen = seen


class _Own:
    """Records what layers are given, and what error comes back to their outputs."""

    def __init__(self) -> None:
        self.measured = Measured()

    def __call__(self, layer: Converted, x: Tensor, arguments: tuple[Any, ...]) -> Tensor:
        y = self._pass(layer, x, arguments)
        self.measured.enter(layer, x, y, layer._operation(x, arguments))
        return y

    def _pass(self, layer: Converted, x: Tensor, arguments: tuple[Any, ...]) -> Tensor:
        return layer._run(x, arguments)


class _True(_Own):
    def _pass(self, layer: Converted, x: Tensor, arguments: tuple[Any, ...]) -> Tensor:
        return layer._plain(x, arguments)


class _Pseudo(_Own):
    def _pass(self, layer: Converted, x: Tensor, arguments: tuple[Any, ...]) -> Tensor:
        return layer._send(x, arguments, Pseudoinverse(), None)


def _run(
    model: nn.Module,
    layers: list[Converted],
    loss: Callable[[Any, Any], Tensor],
    x: Any,
    y: Any,
    recorder: _Own,
) -> Measured:
    weights = [layer.weight for layer in layers]
    frozen = [weight for weight in weights if not weight.requires_grad]
    with ExitStack() as stack:
        stack.enter_context(probing(model, training=True))
        stack.enter_context(watching(recorder))
        if any(hub.route == "target" for hub in hubs(model)):
            stack.enter_context(targets(model, y))
        for weight in frozen:
            weight.requires_grad_(True)
            stack.callback(weight.requires_grad_, False)
        value = loss(model(x), y)
        grads = torch.autograd.grad(value, weights, allow_unused=True)
    recorder.measured.gradients = {
        id(layer): grad for layer, grad in zip(layers, grads, strict=True) if grad is not None
    }
    return recorder.measured


def _sampled(
    model: nn.Module, layers: list[Converted], loss: Callable[[Any, Any], Tensor], x: Any, y: Any
) -> Measured:
    """The same of one sample of node perturbation."""
    losses, calls, deltas = sample(model, layers, loss, x, y)
    measured = Measured()
    for (layer, given, operation), delta in zip(calls, deltas, strict=True):
        grad = (delta / len(losses)).to(given.dtype)
        measured.use(layer, given, grad, operation)
        to_weight = operation.to_weight(grad, given, layer.weight.detach())
        before = measured.gradients.get(id(layer))
        measured.gradients[id(layer)] = to_weight if before is None else before + to_weight
    return measured
