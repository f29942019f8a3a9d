"""Node perturbation: learning from noise and one number, without any feedback matrix."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Literal, final

from . import _check, _core
from ._attributes import immutable


@final
@immutable
@dataclass(frozen=True)
class NodePerturbation:
    """A teaching signal that carries no error vector; stands where feedback does.

    Each example passes twice: once clean, with loss L, and once with noise ξ_l ~ N(0, σ²) added to the
    pre-activations of every layer, the output's too, with loss L′. The only signal that comes back is
    the change of the loss:

        δ_l = −(L′ − L) ξ_l / σ²

    for every layer, beside the clean h_{l−1} in the update. On average over the noise that is −∂L/∂a_l,
    backprop's own δ, up to terms of order σ²; its variance grows with the number of units, so it
    learns slowly and needs small learning rates. This is the reinforcement learner of the paper, which
    perturbs the hidden layers alone: ``layers="hidden"``. The noise is a stream of (seed, layer, step):
    the same whatever else is drawn.

    Parameters
    ----------
    sigma : float
        σ, in [1e-9, 1e6]. With float32 a very small one drowns in rounding: L′ − L has only the digits
        that L leaves.
    layers : {"all", "hidden"}
        Which layers have noise. With ``hidden`` the output layer learns from its own error, δ_L as
        backprop has it.
    noise_on : {"pre_activation", "activation"}
        What the noise of hidden layers is added to: a_l, or h_l = σ(a_l). Then
        δ_l = −(L′ − L) ξ_l / σ² ∘ σ′(a_l): what depends on other units is estimated, a unit's own slope
        is known. The output's is always added to a_L.

    Raises
    ------
    ValueError, TypeError
        If an argument is outside its range or of the wrong kind.

    References
    ----------
    Werfel, Xie & Seung, Neural Computation 17:2699 (2005).
    Lillicrap, Cownden, Tweed & Akerman, Nature Communications 7:13276 (2016), where it is the slow
    alternative that feedback alignment is compared with.
    """

    sigma: float
    layers: Literal["all", "hidden"] = field(default="all", kw_only=True)
    noise_on: Literal["pre_activation", "activation"] = field(
        default="pre_activation", kw_only=True
    )

    def __post_init__(self) -> None:
        where = "NodePerturbation"
        sigma = _check.real(where, "sigma", self.sigma, low=1e-9, high=1e6)
        object.__setattr__(self, "sigma", sigma)
        _check.choice(where, "layers", self.layers, _core.NOISY_LAYERS)
        _check.choice(where, "noise_on", self.noise_on, _core.NOISE_ON)

    def __repr__(self) -> str:
        given = [f"sigma={self.sigma!r}"]
        for f in fields(self)[1:]:
            if getattr(self, f.name) != f.default:
                given.append(f"{f.name}={getattr(self, f.name)!r}")
        return f"NodePerturbation({', '.join(given)})"

    def _spec(self) -> _core.Perturbation:
        return _core.Perturbation(sigma=self.sigma, layers=self.layers, noise_on=self.noise_on)
