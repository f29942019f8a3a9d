"""What each layer of a model gets from a rule, made before anything of the model is changed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from ...feedback import Feedback
from ...perturbation import NodePerturbation
from .._matrices import changed, drawn, scaled_for
from ._carry import Carry, Matrix, carry_of
from ._how import How
from ._operations import Linear, operation_of
from ._shapes import Seen, shapes
from ._sources import SHARED, Hub

Layers = Sequence[tuple[str, nn.Module, bool]]
Plans = list[tuple[nn.Module, How]]
_PATTERNED = ("transpose", "sign", "uniform")  # B above a local layer that is laid out as W


def plan_layerwise(rule: Feedback | NodePerturbation, layers: Layers, seed: int) -> Plans:
    """For rules in which a layer needs nothing but its own output's gradient."""
    plans: Plans = []
    for index, (name, layer, chosen) in enumerate(layers):
        if not chosen:
            continue
        number, last = _stream(index, len(layers)), index == len(layers) - 1
        if isinstance(rule, Feedback):
            how = layerwise(rule, layer, name=name, seed=seed, number=number, last=last)
        else:
            how = How(rule, operation_of(layer), None, name=name, seed=seed, layer=number)
        plans.append((layer, how))
    return plans


def _stream(index: int, count: int) -> int:
    """The hidden layer whose B a layer of the tree has."""
    return (index - 1) % count


def layerwise(
    rule: Feedback, layer: nn.Module, *, name: str, seed: int, number: int, last: bool
) -> How:
    """How one layer sends its own output's gradient to its input.

    Raises
    ------
    ValueError
        If this kind of layer can't have this feedback.
    """
    kind = rule._kind
    operation = operation_of(layer, patterned=kind in _PATTERNED)
    if kind == "pseudoinverse" and not isinstance(layer, nn.Linear):
        raise ValueError(
            f"[convert] {name} was a {type(layer).__name__} with 'pseudoinverse'; it is there for "
            "Linear only"
        )
    if kind == "custom" and getattr(layer, "groups", 1) > 1:
        raise ValueError(
            f"[convert] {name}.groups was {layer.groups} with an object that propagates; it must be 1"
        )
    if (
        rule.plasticity != "fixed"
        and rule.plasticity != "kolen_pollack"
        and not operation.patterned
    ):
        raise ValueError(
            f"[convert] {name} was a {type(layer).__name__} with {rule.matrix!r} and the weight mirror; "
            "matrix must be 'uniform' there"
        )
    scaled = scaled_for(rule, last=last, source=operation.source, sources=operation.sources)
    with _told(name):
        carry = carry_of(scaled, operation, seed=seed, layer=number)
    return How(rule, operation, carry, name=name, seed=seed, layer=number)


def plan_from_output(
    rule: Feedback,
    model: nn.Module,
    layers: Layers,
    seed: int,
    example: Any,
    output: nn.Module,
    shared: bool,
) -> Plans:
    """For the routes direct and target; puts the hooks that they need on the model."""
    if rule._kind in ("transpose", "sign", "pseudoinverse"):
        raise ValueError(
            f"[convert] feedback was {rule!r}; a matrix that follows the weights above must have the "
            "route 'layerwise'"
        )
    if rule.plasticity not in ("fixed", "kolen_pollack"):
        raise ValueError(
            f"[convert] feedback was {rule!r}; the weight mirror must have the route 'layerwise'"
        )
    if shared and (rule._kind in ("zero", "custom", "procedural") or rule.plasticity != "fixed"):
        raise ValueError(
            f"[convert] shared was True for {rule!r}; it must be False for a B that learns or isn't in "
            "memory"
        )
    if shared and hasattr(model, SHARED):
        raise ValueError(
            f"[convert] shared was True for a model that has {SHARED} already; revert() it first, or "
            "let one call convert all layers"
        )
    seen = shapes(model, example, output, layers)
    for name, layer, chosen in layers:
        if chosen and id(layer) not in seen:
            raise ValueError(
                f"[convert] {name} was not used for the example; B has a row for each value that it is "
                "given, so it must be, or be named in exclude"
            )
    used = [layer for _, layer, _ in layers if id(layer) in seen]
    top = seen[id(used[-1])]
    hub = Hub(model, rule.route)
    alone = changed(rule, route="layerwise", plasticity="fixed")  # the matrix, however it is used
    one = _shared(alone, layers, seen, top, seed) if shared else None
    plans: Plans = []
    for index, (name, layer, chosen) in enumerate(layers):
        if not chosen:
            continue
        number, own = _stream(index, len(layers)), seen[id(layer)]
        below = max(0, len(layers) - 2 - number)  # how far under the last hidden layer
        size = (own.units, own.source)
        carry: Carry = Matrix()
        if not shared:
            sized = _of_output(alone, own.source, top.units, below)
            with _told(name):
                carry = carry_of(sized, Linear(*size), seed=seed, layer=number)
        how = How(rule, operation_of(layer), carry, name=name, seed=seed, layer=number, sources=hub)
        how.b_shape, how.by_position = size, own.by_position
        if shared:
            how.factor = 1.0 if rule.growth is None else rule.growth**below
        plans.append((layer, how))
    if one is not None:
        hub.share(one)
    hub.hook(output)
    return plans


def _shared(
    rule: Feedback, layers: Layers, seen: dict[int, Seen], top: Seen, seed: int
) -> torch.Tensor:
    """One B, as large as the largest layer needs."""
    chosen = [layer for _, layer, chosen in layers if chosen]
    columns = {seen[id(layer)].source for layer in chosen}
    if len(columns) > 1:
        raise ValueError(
            f"[convert] shared was True for layers that see {sorted(columns)} values of the output; it "
            "must be False, or some of them be in exclude"
        )
    largest, source = max(seen[id(layer)].units for layer in chosen), columns.pop()
    with _told("the shared B"):
        array = drawn(_of_output(rule, source, top.units, 0), largest, source, seed=seed, layer=0)
    return torch.as_tensor(array).to(next(chosen[0].parameters()))


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Says of which layer a wrong array or rank was."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"[convert] feedback of {name or 'the model'}: {error}") from None


def _of_output(rule: Feedback, source: int, top: int, below: int) -> Feedback:
    """As `scaled_for`, for the routes from the output above a last hidden layer of `top` units."""
    if not isinstance(rule.scale, str):
        return rule
    gain = math.sqrt(source / (3 * top)) if rule.gain is None else rule.gain
    return changed(rule, gain=gain * (rule.growth or 1.0) ** below, growth=None)
