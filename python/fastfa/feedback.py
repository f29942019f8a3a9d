"""Feedback: what carries the error to the hidden layers, and from where.

Every rule is a point in route × matrix × plasticity; the presets are names for some of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from . import _check, _core

MatrixName = Literal["transpose", "uniform", "normal", "array", "zero"]
RouteName = Literal["layerwise", "direct"]

_DRAWN = ("uniform", "normal")


class Feedback:
    """The feedback into a hidden layer, ``Δh = (B δ_source) ∘ σ′(a)``.

    Parameters
    ----------
    matrix : {"uniform", "normal", "transpose", "array", "zero"}
        What carries the error. ``transpose`` is the weights' own transpose Wᵀ (backprop), at every
        moment; ``uniform`` and ``normal`` are drawn once from the network's seed; ``array`` is the
        caller's own; ``zero`` sends nothing (shallow learning).
    scale : float or "equal_error"
        β of U(−β, β) for ``uniform``, the standard deviation for ``normal``. With ``"equal_error"``
        errors of the same magnitude reach every layer, the paper's rule (supplement, Note 5):
        layerwise, var(B) = gain²/n_out into the last hidden layer and 1/n_source below it; direct,
        gain²/n_out everywhere. ``Network.feedback_scales`` tells what came of it.
    gain : float, optional
        For ``"equal_error"``: the size of the errors that arrive, relative to the output error per
        unit. Default √(n_out / (3 n_top)), what backprop would send at default initial weights;
        n_top is the size of the last hidden layer. A large gain acts like a large learning rate and
        can saturate the hidden units within a few steps.
    route : {"layerwise", "direct"}
        The source: the delta of the next layer up (feedback alignment), or the output's delta
        (direct feedback alignment).
    plasticity : {"fixed"}
        How B changes in time.
    array : array_like, optional
        B, shape (n_l, n_source), finite; required by and only for ``matrix="array"``. Copied.

    Raises
    ------
    ValueError, TypeError
        If a value is unknown, outside its range, or meaningless with the others.

    References
    ----------
    Lillicrap, Cownden, Tweed & Akerman, Nature Communications 7:13276 (2016), equation 2.
    Nøkland, Advances in Neural Information Processing Systems 29 (2016), for the direct route.
    """

    __slots__ = ("array", "gain", "matrix", "plasticity", "route", "scale")

    matrix: MatrixName
    scale: float | str | None
    gain: float | None
    route: RouteName
    plasticity: str
    array: np.ndarray | None

    def __init__(
        self,
        matrix: MatrixName,
        *,
        scale: float | Literal["equal_error"] = "equal_error",
        gain: float | None = None,
        route: RouteName = "layerwise",
        plasticity: Literal["fixed"] = "fixed",
        array: Any = None,
    ) -> None:
        _check.choice("Feedback", "matrix", matrix, _core.MATRICES)
        _check.choice("Feedback", "route", route, _core.ROUTES)
        _check.choice("Feedback", "plasticity", plasticity, ("fixed",))
        if isinstance(scale, str):
            _check.choice("Feedback", "scale", scale, ("equal_error",))
        else:
            scale = _check.real("Feedback", "scale", scale)
        if gain is not None:
            gain = _check.real("Feedback", "gain", gain, open_low=True)
            if scale != "equal_error":
                raise ValueError(
                    f"[Feedback] gain was {gain!r} beside scale={scale!r}; "
                    "it applies to scale='equal_error' only"
                )
        if matrix not in _DRAWN and (scale != "equal_error" or gain is not None):
            raise ValueError(
                f"[Feedback] scale was {scale!r} and gain {gain!r} for matrix={matrix!r}; "
                f"they apply to {' and '.join(_DRAWN)} only"
            )
        if (array is not None) != (matrix == "array"):
            raise ValueError(
                f"[Feedback] array was {'given' if array is not None else 'missing'} for "
                f"matrix={matrix!r}; it must be given for matrix='array', and for no other"
            )
        if array is not None:
            array = _check.numeric("Feedback", "array", array, np.dtype(np.float64)).copy()
            if array.ndim != 2:
                raise ValueError(
                    f"[Feedback] array has shape {array.shape}; it must be (n_l, n_source)"
                )
            _check.finite("Feedback", "array", array)
            array.setflags(write=False)
        for name, value in {
            "matrix": matrix,
            "scale": scale if matrix in _DRAWN else None,
            "gain": gain,
            "route": route,
            "plasticity": plasticity,
            "array": array,
        }.items():
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"Feedback is immutable; make a new one to change {name}")

    def __copy__(self) -> Feedback:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Feedback:
        return self

    def __repr__(self) -> str:
        parts = [repr(self.matrix)]
        if self.scale not in (None, "equal_error"):
            parts.append(f"scale={self.scale!r}")
        if self.gain is not None:
            parts.append(f"gain={self.gain!r}")
        if self.route != "layerwise":
            parts.append(f"route={self.route!r}")
        if self.array is not None:
            parts.append(f"array=<{self.array.shape[0]}×{self.array.shape[1]}>")
        return f"Feedback({', '.join(parts)})"

    def _spec(self) -> _core.FeedbackSpec:
        return _core.FeedbackSpec(
            matrix=self.matrix,
            route=self.route,
            scale=self.scale if isinstance(self.scale, float) else None,
            gain=self.gain or 0.0,
            array=self.array,
        )


#: Published rules by name: backprop, feedback alignment, direct feedback alignment, output layer only.
PRESETS: dict[str, Feedback] = {
    "bp": Feedback("transpose"),
    "fa": Feedback("uniform"),
    "dfa": Feedback("uniform", route="direct"),
    "shallow": Feedback("zero"),
}

FeedbackLike = str | Feedback | Sequence[str | Feedback]


def resolve(feedback: FeedbackLike, hidden: int, where: str = "Network") -> tuple[Feedback, ...]:
    """One Feedback per hidden layer from a name, a Feedback, or one of either for each layer."""

    def one(value: Any, name: str) -> Feedback:
        if isinstance(value, Feedback):
            return value
        if isinstance(value, str):
            return PRESETS[_check.choice(where, name, value, tuple(PRESETS))]
        raise TypeError(
            f"[{where}] {name} was {value!r}; it must be a Feedback or one of {', '.join(PRESETS)}"
        )

    if isinstance(feedback, str | Feedback):
        return (one(feedback, "feedback"),) * hidden
    if not isinstance(feedback, Sequence):
        one(feedback, "feedback")
    if len(feedback) != hidden:
        raise ValueError(
            f"[{where}] feedback has {len(feedback)} entries; the network has {hidden} hidden "
            "layers and needs one for each"
        )
    return tuple(one(value, f"feedback[{i}]") for i, value in enumerate(feedback))
