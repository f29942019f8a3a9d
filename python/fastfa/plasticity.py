"""Plasticity: how a feedback matrix changes while the network learns."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import final

from . import _check
from ._attributes import immutable


@final
@immutable
@dataclass(frozen=True)
class WeightMirror:
    """Feedback that learns to mirror the weights above it from noise (``plasticity=``).

    After the update of every ``every``-th step, N noise vectors ξ ~ U(−√3 noise, √3 noise), N being
    that batch's size, are sent from hidden layer l to the layer above, which answers with
    ``z = σ(W ξ + b) − σ(b)`` (softmax outputs count as linear), and B learns how they go together:
    ``B ← B + r (ξᵀz / (N noise²) − B)``, whose fixed point is Wᵀ where σ is linear.

    Parameters
    ----------
    lr : float, optional
        r in (0, 1]. Default: min(1, N / (20 n_l)), slow enough to average over the noise.
    noise : float
        Standard deviation of ξ, in [1e-9, 1e6]. Small noise keeps σ near its slope at b.
    every : int
        Steps between mirror phases, at least 1.

    Raises
    ------
    ValueError, TypeError
        If a value is outside its range or of the wrong kind.

    References
    ----------
    Akrout, Wilson, Humphreys, Lillicrap & Tweed, Advances in Neural Information Processing Systems 32
    (2019). There growth and decay have a rate each; here r is both.
    """

    lr: float | None = None
    _: KW_ONLY
    noise: float = 1.0
    every: int = 1

    def __post_init__(self) -> None:
        where = "WeightMirror"
        lr = self.lr
        if lr is not None:
            lr = _check.real(where, "lr", lr, high=1.0, open_low=True)
        fields = {
            "lr": lr,
            "noise": _check.real(where, "noise", self.noise, low=1e-9, high=1e6),
            "every": _check.integer(where, "every", self.every, 1, 2**31 - 1),
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)
