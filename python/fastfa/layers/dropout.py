"""Dropout, which acts on the units of the layer below it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .. import _check
from .._attributes import immutable
from .layer import Layer, Stack, shape_below


@immutable
@dataclass(frozen=True)
class Dropout(Layer):
    """Silences a random share of what lies below it while the network learns.

    Stands in the list of layers above a hidden layer, or first, above the input. In every step each
    value is 0 with probability ``rate`` and otherwise 1/(1 − rate) times as large, in the pass up as in
    the pass down; nothing is dropped or scaled where the network is only looked at (``forward``,
    ``evaluate``, ``deltas``). Masks are Philox streams of (seed, layer, step).

    Parameters
    ----------
    rate : float
        In [0, 1).

    Raises
    ------
    ValueError, TypeError
        If rate is outside its range or not a number.

    References
    ----------
    Srivastava, Hinton, Krizhevsky, Sutskever & Salakhutdinov, Journal of Machine Learning Research
    15:1929 (2014); used with feedback alignment by Lillicrap et al. (2016), supplement, Note 5.
    """

    rate: float

    def __post_init__(self) -> None:
        rate = _check.real("Dropout", "rate", self.rate, high=1.0, open_high=True)
        object.__setattr__(self, "rate", rate)

    def output_shape(self, input_shape: Sequence[int]) -> tuple[int, ...]:
        """The same as that of the input."""
        return shape_below("output_shape", input_shape)

    def _join(self, stack: Stack, where: str) -> None:
        if stack.ends_in_dropout:
            raise ValueError(f"[Network] {where} is the second Dropout in a row; one must do")
        stack.dropout[-1] = self.rate
        stack.ends_in_dropout = True
