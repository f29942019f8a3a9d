"""A network's layers one above the other: their shapes, and what the core is told of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .. import _core
from ..layers import Pooling, Weighted
from . import _arguments

Shape = tuple[int, ...]


@dataclass
class Stacked:
    """``shapes`` are those of the input and of each layer's units, ``below`` that below each layer."""

    specs: list[_core.LayerSpec] = field(default_factory=list)
    shapes: list[Shape] = field(default_factory=list)
    below: list[Shape] = field(default_factory=list)
    input_dropout: float = 0.0

    def _pool(self, pooling: Sequence[Pooling], where: str, dropout: float) -> None:
        shape = self.shapes[-1]
        for i, each in enumerate(pooling):
            spec, shape = each._build(shape, where, dropout if i + 1 == len(pooling) else 0.0)
            self.specs.append(spec)
        self.below.append(shape)


def stacked(
    input_shape: Shape,
    layers: Sequence[Weighted],
    dropout: Sequence[float],
    pooling: Sequence[Sequence[Pooling]],
) -> Stacked:
    """The layers above an input of this shape; the other two are above the input and each of them.

    Raises
    ------
    ValueError
        If a layer can't stand where it does.
    """
    stack = Stacked(shapes=[input_shape], input_dropout=0.0 if pooling[0] else dropout[0])
    first = (*pooling[0], *layers)[:1]
    for layer in first:
        layer._check_input(input_shape, "the first layer")
    stack._pool(pooling[0], "the input", dropout[0])
    for i, layer in enumerate(layers):
        where, own = f"layers[{i}]", dropout[i + 1]
        spec, shape = layer._build(stack.below[-1], where, 0.0 if pooling[i + 1] else own)
        stack.specs.append(spec)
        _arguments.units(where, shape)
        stack.shapes.append(shape)
        stack._pool(pooling[i + 1], where, own)
    return stack
