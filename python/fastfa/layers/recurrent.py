"""The recurrent layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from .. import _check, _core
from .._attributes import immutable
from ..feedback import Feedback
from .activation import ActivationName, checked
from .layer import Layer, Weighted, shape_below

RecurrentFeedbackName = Literal["zero", "transpose", "random"]


@immutable
@dataclass(frozen=True)
class Recurrent(Weighted):
    """Rate units that hear each other: u = W_in x + W h⁻ + b, ``h = h⁻ + (σ(u) − h⁻)/τ``.

    h⁻ is h a step before, 0 at first; x is the network's input, or what the layer below makes of it. A
    network has one recurrent layer, with dense layers above it and layers of any other kind below it.
    Its weights are [W_in | W], (n, n_in + n). W_in starts as in a dense layer, W as normal numbers of
    standard deviation recurrent_scale/√n, both drawn from the network's seed; biases start at 0.

    With the error B e that comes from above, a sequence is learned from by a scan back in time,
    λ = (1 − 1/τ) λ + B_rec d + B e, d = λ ∘ σ′(u)/τ, and ΔW = η Σ d h⁻ᵀ. d is the layer's δ: it is what
    a layer below gets from it, at each step.

    Parameters
    ----------
    units : int
        Number of units n, at least 1.
    activation : str
        σ, any of :class:`Dense`'s but ``softmax``.
    tau : float
        τ, the units' time constant in steps, at least 1. At 1 they have no memory but W's.
    bias : bool
        Whether the units have a bias b.
    weight_scale : float, optional
        ω of W_in ~ U(−ω, ω), at least 0. Default: 1/√n_in.
    recurrent_scale : float, optional
        g, at least 0: W ~ N(0, g²/n). Default: 1. Murray (2019) has 1.5.
    recurrent_feedback : {"zero", "transpose", "random"} or Feedback
        B_rec. ``zero``: random feedback local online learning (RFLO; Murray, eLife 2019), the one that
        can learn at every step. ``transpose``: Wᵀ, backprop through time if B is W_outᵀ. ``random``: a
        fixed matrix, drawn as W is.

        Or any :class:`Feedback` of route layerwise, as B_rec (n, n): one that follows W (``sign``,
        ``pseudoinverse``), one that is drawn, an array, an object with ``propagate``. Its scale is a
        number, or, by default, that at which its elements are as large as W's at first, g²/n in the
        mean square. With ``plasticity="kolen_pollack"`` it takes the transpose of every step of W.
    input_delay : int
        The units see x of so many steps before, and zero at first; 0 … 1,000,000. What has not been seen
        yet belongs to the network's state. A layer below gets d of the step at which its output is seen;
        what a call to `train_sequences` ends too early for teaches it nothing.
    trainable : bool
        False freezes W_in, W and b.

    Raises
    ------
    ValueError, TypeError
        If a value is outside its range or of the wrong kind.

    Examples
    --------
    >>> import numpy as np, fastfa as fa
    >>> net = fa.Network(1, [fa.Recurrent(30, tau=10.0), fa.Dense(1)], feedback="dfa", seed=1)
    >>> t = np.arange(100)
    >>> Y = np.sin(2 * np.pi * t / 50).reshape(1, 100, 1)
    >>> first = net.train_sequences(np.zeros((1, 100, 1)), Y, fa.SGD(0.01), update="step")
    >>> net.forward_sequences(np.zeros((1, 100, 1))).shape
    (1, 100, 1)
    """

    # What other layers can be given. Without annotations: they are no fields.
    leaky_slope = None
    lr_scale = decay_scale = bias_lr_scale = 1.0
    bias_decay_scale = 0.0

    units: int
    activation: ActivationName
    tau: float
    bias: bool
    weight_scale: float | None
    recurrent_scale: float | None
    recurrent_feedback: RecurrentFeedbackName | Feedback
    input_delay: int
    trainable: bool

    def __init__(
        self,
        units: int,
        activation: ActivationName = "tanh",
        *,
        tau: float = 1.0,
        bias: bool = True,
        weight_scale: float | None = None,
        recurrent_scale: float | None = None,
        recurrent_feedback: RecurrentFeedbackName | Feedback = "zero",
        input_delay: int = 0,
        trainable: bool = True,
    ) -> None:
        where = "Recurrent"
        if weight_scale is not None:
            weight_scale = _check.real(where, "weight_scale", weight_scale)
        if recurrent_scale is not None:
            recurrent_scale = _check.real(where, "recurrent_scale", recurrent_scale, high=1e9)
        name = checked(where, activation, None)["activation"]
        if name == "softmax":
            raise ValueError(
                "[Recurrent] activation was 'softmax'; softmax is for the output layer only"
            )
        fields = {
            "units": _check.integer(where, "units", units, 1, 2**31 - 1),
            "activation": name,
            "tau": _check.real(where, "tau", tau, low=1.0, high=1e9),
            "bias": _check.flag(where, "bias", bias),
            "weight_scale": weight_scale,
            "recurrent_scale": recurrent_scale,
            "recurrent_feedback": _in_time(recurrent_feedback),
            "input_delay": _check.integer(where, "input_delay", input_delay, 0, 10**6),
            "trainable": _check.flag(where, "trainable", trainable),
        }
        for field, value in fields.items():
            object.__setattr__(self, field, value)

    def output_shape(self, input_shape: Sequence[int]) -> tuple[int]:
        """(units,), above an input of any shape."""
        shape_below("output_shape", input_shape)
        return (self.units,)

    def weight_shape(self, input_shape: Sequence[int]) -> tuple[int, int]:
        """(n, n_in + n): [W_in | W]."""
        return self.units, math.prod(shape_below("weight_shape", input_shape)) + self.units

    def fan_in(self, input_shape: Sequence[int]) -> int:
        """Those of W_in, n_in."""
        return math.prod(shape_below("fan_in", input_shape))

    def _in_time(self) -> dict[str, Any]:
        return {
            "tau": self.tau,
            "input_delay": self.input_delay,
            "recurrent_scale": 1.0 if self.recurrent_scale is None else self.recurrent_scale,
            **(
                {"recurrent_feedback": self.recurrent_feedback}
                if isinstance(self.recurrent_feedback, str)
                else {"recurrent_matrix": self.recurrent_feedback._spec()}
            ),
        }


def _in_time(value: Any) -> str | Feedback:
    """B_rec, if it is one; a Feedback that a name stands for becomes that name."""
    where = "[Recurrent] recurrent_feedback"
    if not isinstance(value, Feedback):
        known = _core.RECURRENT_FEEDBACKS
        if not isinstance(value, str):
            raise TypeError(
                f"{where} was {value!r}; it must be a Feedback or one of {', '.join(known)}"
            )
        return _check.choice("Recurrent", "recurrent_feedback", value, known)
    if value.route != "layerwise":
        raise ValueError(f"{where} has route {value.route!r}; it must be 'layerwise'")
    if value.plasticity not in ("fixed", "kolen_pollack"):
        raise ValueError(
            f"{where} has plasticity {value.plasticity!r}; it must be 'fixed' or 'kolen_pollack'"
        )
    if value.refresh != 1:
        raise ValueError(f"{where} has refresh {value.refresh}; it must be 1")
    if value.scale == "equal_before_slope" or value.gain or value.growth:
        raise ValueError(
            f"{where} was {value!r}; its scale must be a number, or the default without gain and "
            "growth, which makes it as large as W"
        )
    return value._kind if value._kind in ("zero", "transpose") else value


def recurrent_place(layers: Sequence[Layer]) -> int | None:
    """Where the recurrent layer is among these; None: there is none."""
    return next((i for i, layer in enumerate(layers) if isinstance(layer, Recurrent)), None)


def is_in_time(layers: Sequence[Layer]) -> bool:
    """Whether a network of these layers is one in time: it has a recurrent layer."""
    return recurrent_place(layers) is not None
