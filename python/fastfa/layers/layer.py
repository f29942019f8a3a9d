"""What a kind of layer is: its shapes, its weights, and what the core is told of it."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from .. import _check, _core
from .activation import Activation, ActivationName

if TYPE_CHECKING:
    from .pooling import Pooling


class Layer(ABC):
    """What may stand in a network's list of layers; fastfa's kinds are :data:`fastfa.layers.KINDS`."""

    @abstractmethod
    def output_shape(self, input_shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of an example above the layer, where ``input_shape`` is that below it."""

    @abstractmethod
    def _join(self, stack: Stack, where: str) -> None:
        """Take the next place in the stack. ``where`` is the layer's name for errors."""

    def _check_input(self, shape: tuple[int, ...], where: str) -> None:
        """Refuse to be the first above an input of this shape."""
        return


@dataclass
class Stack:
    """A network's layers as they are put together, from the input up."""

    layers: list[Weighted] = field(default_factory=list)
    dropout: list[float] = field(default_factory=lambda: [0.0])  # above the input and each layer
    pooling: list[tuple[Pooling, ...]] = field(default_factory=lambda: [()])  # the same places
    ends_in_dropout: bool = False


class Weighted(Layer):
    """A layer of units with weights: ``h = σ(a)``, where a is linear in the input."""

    fully_connected: ClassVar[bool] = False  # whether every unit sees every input

    activation: ActivationName | Activation
    leaky_slope: float | None
    bias: bool
    weight_scale: float | None
    trainable: bool
    lr_scale: float
    decay_scale: float
    bias_lr_scale: float
    bias_decay_scale: float

    @abstractmethod
    def weight_shape(self, input_shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of W."""

    @abstractmethod
    def fan_in(self, input_shape: Sequence[int]) -> int:
        """How many inputs a unit sees; weights start within ±1/√fan_in."""

    def _join(self, stack: Stack, where: str) -> None:
        stack.layers.append(self)
        stack.dropout.append(0.0)
        stack.pooling.append(())
        stack.ends_in_dropout = False

    def _bias_shape(self, input_shape: Sequence[int]) -> tuple[int]:
        """The shape of b."""
        return (math.prod(self.output_shape(input_shape)),)

    def _stored_feedback(self, of_pattern: bool, input_shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of a stored, layerwise B through the layer; of_pattern: of W's, if it has one."""
        return math.prod(input_shape), math.prod(self.output_shape(input_shape))

    def _check_below(self, shape: tuple[int, ...], where: str) -> None:
        """Refuse to stand above something of this shape."""

    @property
    def _density(self) -> float:
        """The share of W that exists."""
        return 1.0

    def _own_mask(self) -> np.ndarray | None:
        """Which weights exist, row after row, where the user says so."""
        return None

    def _local_spec(self, shape: tuple[int, ...]) -> _core.LocalSpec | None:
        """Where the patches of a locally connected layer lie."""
        return None

    def _in_time(self) -> dict[str, Any]:
        """What the core is told of a layer with a state."""
        return {}

    def _build(
        self, shape: tuple[int, ...], where: str, dropout: float
    ) -> tuple[_core.LayerSpec, tuple[int, ...]]:
        """The core's description above something of this shape, and the shape of the layer."""
        self._check_below(shape, where)
        out = self.output_shape(shape)
        omega, mask = self.weight_scale, self._own_mask()
        sigma: Any = self.activation
        own = isinstance(sigma, Activation)
        spec = _core.LayerSpec(
            units=math.prod(out),
            activation="custom" if own else sigma,
            both=sigma._both if own else None,
            weight_scale=1.0 / math.sqrt(self.fan_in(shape)) if omega is None else omega,
            bias=self.bias,
            trainable=self.trainable,
            density=self._density if mask is None else 1.0,
            mask=mask,
            local=self._local_spec(shape),
            dropout=dropout,
            leaky_slope=_core.LEAKY_SLOPE if self.leaky_slope is None else self.leaky_slope,
            lr_scale=self.lr_scale,
            decay_scale=self.decay_scale,
            bias_lr_scale=self.bias_lr_scale,
            bias_decay_scale=self.bias_decay_scale,
            **self._in_time(),
        )
        return spec, out


def shape_below(where: str, value: Any) -> tuple[int, ...]:
    """``value`` as the shape of what is below a layer."""
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise ValueError(
            f"[{where}] input_shape was {value!r}; it must be a tuple of sizes, such as (784,)"
        )
    return tuple(_check.integer(where, f"input_shape[{i}]", n, 1) for i, n in enumerate(value))
