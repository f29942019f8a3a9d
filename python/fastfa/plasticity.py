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
    ``z = σ(W ξ + b)`` (softmax outputs count as linear), and B learns how they go together::

        B ← B + growth Σ ξ zᵀ − decay B          the sum is over the N vectors

    On average, Σ ξ zᵀ is N noise² Wᵀ times the slopes of the units above. The defaults are those of
    the paper's code: B grows and does not decay. So its size grows as training goes on, and acts
    like a growing learning rate of the layers below. What is learned first, from the layer's initial
    weights, is never forgotten. `average` makes a mirror that forgets.

    Parameters
    ----------
    growth : float, optional
        The rate of growth, in (0, 1]. None: decay / (N noise²), which makes B an average of what is
        seen; its fixed point is Wᵀ where σ is linear.
    decay : float, optional
        The share of B that is lost in each phase, in [0, 1]. None: min(1, N / (20 n_l)), slow enough
        to average over the noise.
    noise : float
        Standard deviation of ξ, in [1e-9, 1e6]; the default is that of U(−.05, .05). Small noise
        keeps σ near its slope at b.
    every : int
        Steps between mirror phases, at least 1.
    centred : bool
        Whether what the layer answers to silence is taken off: ``z = σ(W ξ + b) − σ(b)``. That changes
        no mean, and leaves out what ξ and σ(b) have in common by chance.

    Raises
    ------
    ValueError, TypeError
        If a value is outside its range or of the wrong kind, or growth is None and decay 0.

    References
    ----------
    Akrout, Wilson, Humphreys, Lillicrap & Tweed, Advances in Neural Information Processing Systems 32
    (2019), equation 7; rate and noise from the code that they published.
    """

    _: KW_ONLY
    growth: float | None = 0.01
    decay: float | None = 0.0
    noise: float = 0.1 / 12**0.5
    every: int = 1
    centred: bool = False

    def __post_init__(self) -> None:
        where = "WeightMirror"
        growth, decay = self.growth, self.decay
        if growth is not None:
            growth = _check.real(where, "growth", growth, high=1.0, open_low=True)
        if decay is not None:
            decay = _check.real(where, "decay", decay, high=1.0)
        if growth is None and decay == 0:
            raise ValueError(
                f"[{where}] decay was {self.decay!r} with growth=None, which follows it; it must be "
                "above 0, or None"
            )
        fields = {
            "growth": growth,
            "decay": decay,
            "noise": _check.real(where, "noise", self.noise, low=1e-9, high=1e6),
            "every": _check.integer(where, "every", self.every, 1, 2**31 - 1),
            "centred": _check.flag(where, "centred", self.centred),
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    @classmethod
    def average(
        cls, rate: float | None = None, *, noise: float = 1.0, every: int = 1
    ) -> WeightMirror:
        """A mirror that forgets: ``B ← B + r (ξᵀz / (N noise²) − B)``, centred.

        B stays of the size of Wᵀ times the slopes above, and follows W when it changes.

        Parameters
        ----------
        rate : float, optional
            r in (0, 1]. Default: min(1, N / (20 n_l)).
        noise, every
            As for the class.

        Raises
        ------
        ValueError, TypeError
            As for the class.
        """
        if rate is not None:
            rate = _check.real("WeightMirror.average", "rate", rate, high=1.0, open_low=True)
        return cls(growth=None, decay=rate, noise=noise, every=every, centred=True)
