"""What `Feedback` is given, checked: each argument alone, and with the matrix that it describes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import _check, _core
from .plasticity import WeightMirror

_TRAITS = _core.MATRICES.items()
TIED = tuple(name for name, of in _TRAITS if of.follows_weights)  # of the layer above
SCALED = tuple(name for name, of in _TRAITS if of.scaled)
SCALE_RULES = ("equal_error", "equal_before_slope")
PLASTIC = tuple(name for name, of in _TRAITS if of.learns)
DENSITIES = {name: of.density for name, of in _TRAITS if of.density}  # the defaults

_INT_MAX = 2**31 - 1


def propagates(value: Any) -> bool:
    """Whether ``value`` is a custom feedback: an object (not a class) with a propagate method."""
    return not isinstance(value, type) and callable(getattr(value, "propagate", None))


def kind(matrix: Any) -> str:
    """The core's name for ``matrix``: its own, or "custom" for an object with propagate()."""
    if propagates(matrix):
        return "custom"
    if not isinstance(matrix, str):
        raise TypeError(
            f"[Feedback] matrix was {matrix!r}; it must be one of {', '.join(_core.MATRICES)}, or an "
            "object with propagate(delta)"
        )
    return _check.choice("Feedback", "matrix", matrix, tuple(_core.MATRICES))


def size(
    kind: str, magnitude: str, scale: Any, gain: Any, growth: Any
) -> tuple[float | str | None, float | None, float | None]:
    """(scale, gain, growth); scale is None where the matrix has no size of its own."""
    if isinstance(scale, str):
        _check.choice("Feedback", "scale", scale, SCALE_RULES)
    else:
        scale = _check.real("Feedback", "scale", scale)
    given = {"gain": gain, "growth": growth}
    for name, value in given.items():
        if value is None:
            continue
        given[name] = _check.real("Feedback", name, value, open_low=True)
        if not isinstance(scale, str):
            raise ValueError(
                f"[Feedback] {name} was {value!r} beside scale={scale!r}; "
                "it applies to scale='equal_error' (or 'equal_before_slope') only"
            )
    own = magnitude == "array"
    if kind in SCALED and not own:
        return scale, given["gain"], given["growth"]
    if scale != "equal_error" or gain is not None or growth is not None:
        what, why = (
            ("magnitude='array'", "the array says how large B is")
            if own
            else (f"matrix={kind!r}", f"they apply to {_listed(SCALED)} only")
        )
        raise ValueError(
            f"[Feedback] scale was {scale!r}, gain {gain!r} and growth {growth!r} for "
            f"{what}; they must not be given: {why}"
        )
    return None, None, None


def route(kind: str, value: Any) -> str:
    _check.choice("Feedback", "route", value, _core.ROUTES)
    if value == "target" and kind in TIED:
        raise ValueError(
            f"[Feedback] route was 'target' for matrix={kind!r}; it must be 'layerwise': that matrix "
            "follows the weights of the layer above"
        )
    return value


def plasticity(kind: str, route: str, value: Any) -> str | WeightMirror:
    known = _core.PLASTICITIES
    if isinstance(value, WeightMirror):
        name = "weight_mirror"
    elif isinstance(value, str):
        name = _check.choice("Feedback", "plasticity", value, known)
    else:
        raise TypeError(
            f"[Feedback] plasticity was {value!r}; it must be one of {', '.join(known)}, or a "
            "WeightMirror"
        )
    if name != "fixed" and kind not in PLASTIC:
        raise ValueError(
            f"[Feedback] plasticity was {value!r} for matrix={kind!r}; it must be 'fixed' there: the "
            f"others apply to {_listed(PLASTIC)} only"
        )
    if name != "fixed" and route == "target":
        raise ValueError(
            f"[Feedback] plasticity was {value!r} with route='target'; it must be 'fixed' there: the "
            "target carries no error that B could learn from"
        )
    return value


def density(kind: str, value: Any) -> float | None:
    if value is None:
        return DENSITIES.get(kind)
    value = _check.real("Feedback", "density", value, high=1.0, open_low=True)
    _applies("density", value, kind, tuple(DENSITIES))
    return value


def rank(kind: str, value: Any) -> int | None:
    if value is not None:
        value = _check.integer("Feedback", "rank", value, 1, _INT_MAX)
        _applies("rank", value, kind, ("low_rank",))
    elif kind == "low_rank":
        raise ValueError(
            "[Feedback] rank was None for matrix='low_rank'; it must be an integer of at least 1"
        )
    return value


def has_array(kind: str, magnitude: str) -> bool:
    """Whether such a feedback is given an array."""
    return "array" in (kind, magnitude)


def array(kind: str, magnitude: str, value: Any) -> np.ndarray | None:
    if (value is not None) != has_array(kind, magnitude):
        own = " and magnitude='array'" if magnitude == "array" else ""
        raise ValueError(
            f"[Feedback] array was {'given' if value is not None else 'missing'} for "
            f"matrix={kind!r}{own}; it must be given for matrix='array' or magnitude='array', and for "
            "no other"
        )
    if value is None:
        return None
    value = _check.numeric("Feedback", "array", value, np.dtype(np.float64)).copy()
    if value.ndim != 2:
        raise ValueError(f"[Feedback] array has shape {value.shape}; it must be (n_l, n_source)")
    _check.finite("Feedback", "array", value)
    if magnitude == "array" and (value < 0).any():
        raise ValueError(
            f"[Feedback] array has a value of {float(value.min())}; for magnitude='array' each must be "
            "at least 0"
        )
    value.setflags(write=False)
    return value


def magnitude(kind: str, value: Any) -> str:
    _check.choice("Feedback", "magnitude", value, _core.MAGNITUDES)
    if value != "uniform":
        _applies("magnitude", value, kind, ("sign",))
    return value


def refresh(kind: str, value: Any) -> int:
    value = _check.integer("Feedback", "refresh", value, 1, _INT_MAX)
    if value != 1:
        _applies("refresh", value, kind, ("pseudoinverse",))
    return value


def storage(kind: str, plasticity: str | WeightMirror, value: Any) -> str | None:
    if value is None:
        return None
    _check.choice("Feedback", "storage", value, ("bf16",))
    _applies("storage", value, kind, PLASTIC)
    if plasticity != "fixed":
        raise ValueError(
            f"[Feedback] storage was {value!r} with plasticity={plasticity!r}; it must not be given "
            "there: what learns is kept whole"
        )
    return value


def _applies(name: str, value: Any, kind: str, kinds: Sequence[str]) -> None:
    if kind not in kinds:
        raise ValueError(
            f"[Feedback] {name} was {value!r} for matrix={kind!r}; it must not be given: it applies "
            f"to {_listed(kinds)} only"
        )


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
