"""σ: its names, the one parameter that one of them has, and those of the user's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, final

import numpy as np

from .. import _check, _core
from .._attributes import immutable

ActivationName = Literal[
    "linear",
    "logistic",
    "tanh",
    "relu",
    "leaky_relu",
    "softmax",
    "hard_tanh",
    "softplus",
    "elu",
    "gelu",
    "silu",
    "identity",  # these are other names of those above
    "sigmoid",
    "hardtanh",
    "swish",
]


@final
@immutable
@dataclass(frozen=True)
class Activation:
    """An activation of your own, for hidden layers: σ and its slope, as two functions.

    Both are asked for every batch, in every pass, from the compiled loop: with pre-activations float64
    (N, units), a copy. They answer with arrays of the same shape. The slope need not be σ's derivative:
    for a σ that has none (spikes), it is what the error is multiplied by. The network is locked
    meanwhile; they must not call it. An exception of theirs ends the call before any weight changes.

    Python code sets the pace: tens of microseconds a layer and batch, in float64. Not on devices, in
    recurrent layers, below a weight mirror or with node perturbation; `fastfa.save` can't hold code, and
    says so.

    Parameters
    ----------
    value, slope : callable
        σ(a) and σ′(a) of an array, number by number or not.
    name : str
        For reports.

    Raises
    ------
    TypeError, ValueError
        If they aren't functions and a name; at a pass, if an answer isn't finite and of a's shape.

    Examples
    --------
    >>> import numpy as np, fastfa as fa
    >>> sine = fa.Activation(np.sin, np.cos, name="sine")
    >>> net = fa.Network(8, [fa.Dense(20, sine), fa.Dense(3)], seed=1)
    >>> net.forward(np.zeros((5, 8))).shape
    (5, 3)
    """

    value: Callable[[np.ndarray], Any]
    slope: Callable[[np.ndarray], Any]
    name: str = "custom"

    def __post_init__(self) -> None:
        for part in ("value", "slope"):
            found = getattr(self, part)
            if not callable(found):
                raise TypeError(f"[Activation] {part} was {found!r}; it must be a function")
        if not isinstance(self.name, str) or not self.name:
            raise TypeError(f"[Activation] name was {self.name!r}; it must be a text")

    def __str__(self) -> str:
        return self.name

    def _both(self, a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        # A copy: `value` may write to its argument, and `slope` must get the array as it was.
        return self._one("value", a.copy()), self._one("slope", a)

    def _one(self, part: str, a: np.ndarray) -> np.ndarray:
        what, shape = f"{part}(a) of {self.name}", a.shape
        made = _check.numeric("Activation", what, getattr(self, part)(a), np.dtype(np.float64))
        if made.shape != shape:
            raise ValueError(
                f"[Activation] {what} has shape {made.shape}; it must be {shape}, as a"
            )
        _check.finite("Activation", what, made)
        return made


def named(where: str, layer: Any) -> ActivationName:
    """The name of the layer's σ, for whoever can compute those of fastfa alone."""
    if isinstance(layer.activation, Activation):
        raise ValueError(
            f"[{where}] a layer's activation was {layer.activation}, your own; it must be one of "
            "fastfa's"
        )
    return layer.activation


def checked(where: str, activation: Any, leaky_slope: Any) -> dict[str, Any]:
    """Both as a layer keeps them; ``leaky_slope`` is None but for ``leaky_relu``."""
    if isinstance(activation, Activation):
        if leaky_slope is not None:
            raise ValueError(
                f"[{where}] leaky_slope was {_check.shown(leaky_slope)} with an activation of your own; "
                "it must be None but for 'leaky_relu'"
            )
        return {"activation": activation, "leaky_slope": None}
    name = _check.choice(where, "activation", activation, _core.ACTIVATIONS)
    if name == "leaky_relu":
        given = _core.LEAKY_SLOPE if leaky_slope is None else leaky_slope
        return {
            "activation": name,
            "leaky_slope": _check.real(where, "leaky_slope", given, high=1.0),
        }
    if leaky_slope is not None:
        raise ValueError(
            f"[{where}] leaky_slope was {_check.shown(leaky_slope)} with activation {name!r}; "
            "it must be None but for 'leaky_relu'"
        )
    return {"activation": name, "leaky_slope": None}
