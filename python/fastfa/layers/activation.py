"""σ: its names, and the one parameter that one of them has."""

from __future__ import annotations

from typing import Any, Literal

from .. import _check, _core

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


def checked(where: str, activation: Any, leaky_slope: Any) -> dict[str, Any]:
    """Both as a layer keeps them; ``leaky_slope`` is None but for ``leaky_relu``."""
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
