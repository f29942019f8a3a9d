"""What a converted layer knows beside its parameters."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from ...feedback import Feedback
from ...perturbation import NodePerturbation
from ...plasticity import WeightMirror
from ._carry import Carry
from ._operations import Operation


class Source(Protocol):
    """Where a layer of the routes direct and target finds what its B multiplies."""

    def rows(self, how: How, like: Tensor) -> Tensor: ...


class Sources(Protocol):
    """What a converted model and its layers have in common."""

    def current(self, how: How) -> Source: ...

    def shared(self) -> Tensor: ...


class How:
    """Its rule, and how that is carried out."""

    def __init__(
        self,
        rule: Feedback | NodePerturbation,
        operation: Operation,
        carry: Carry | None,
        *,
        name: str,
        seed: int,
        layer: int,
        sources: Sources | None = None,
        factor: float | None = None,
    ) -> None:
        self.rule, self.operation, self.carry, self.name = rule, operation, carry, name
        self.seed, self.layer, self.sources = seed, layer, sources
        self.factor = factor  # of its slice of a B that all layers share
        self.b_shape = (operation.units, operation.source)  # of B
        self.by_position = False  # of a sequence, whose positions B serves one by one
        self.shape: tuple[int, ...] = ()  # of the weights
        self.seen: tuple[int, ...] = ()  # the shape of what it was given last

    @property
    def layerwise(self) -> bool:
        return isinstance(self.rule, Feedback) and self.rule.route == "layerwise"

    @property
    def mirror(self) -> WeightMirror | None:
        """The weight mirror by which B learns, if it does."""
        if not isinstance(self.rule, Feedback) or self.rule.plasticity in (
            "fixed",
            "kolen_pollack",
        ):
            return None
        plasticity = self.rule.plasticity
        return plasticity if isinstance(plasticity, WeightMirror) else WeightMirror()

    @property
    def plain(self) -> bool:
        """Whether autograd's own backward pass is the rule's: backprop."""
        return isinstance(self.rule, Feedback) and self.rule._kind == "transpose"
