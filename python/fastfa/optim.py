"""Optimizers: how an error signal becomes a change of weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from . import _check, _core
from ._attributes import immutable


@immutable
@dataclass(frozen=True)
class SGD:
    """Stochastic gradient descent with momentum and weight decay.

    ``v ← α v + η (s δᵀh − γ W)``, ``W ← W + v``, with ``s`` = 1/N for ``reduction="mean"`` and 1 for
    ``"sum"``; N is the number of examples in the batch. Biases change the same way without decay.
    The paper writes the case α = 0: ``ΔW ∝ e hᵀ``.

    Parameters
    ----------
    lr : float
        Learning rate η, at least 0. Training refuses one above 1e9 (1 − α), with ``"sum"`` divided by
        the batch size: up to there an update is sure to be finite.
    momentum : float
        α in [0, 1). The velocities v live in the network, start at zero, and are dropped by a step
        without momentum, or with another kind of optimizer.
    weight_decay : float
        γ, at least 0 (the paper's experiments use 1e-6). Training refuses η γ above 1. In float32 an η γ
        below 3e-8 is lost in rounding: the weights don't decay at all. Use ``dtype="float64"`` then.
    reduction : {"mean", "sum"}
        Whether a batch's examples are averaged or added.

    Raises
    ------
    ValueError, TypeError
        If a value is outside its range or of the wrong kind.
    """

    lr: float
    momentum: float = 0.0
    weight_decay: float = 0.0
    reduction: Literal["mean", "sum"] = "mean"

    def __init__(
        self,
        lr: float,
        *,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        reduction: Literal["mean", "sum"] = "mean",
    ) -> None:
        fields = {
            "lr": _check.real("SGD", "lr", lr),
            "momentum": _check.real("SGD", "momentum", momentum, high=1.0, open_high=True),
            "weight_decay": _check.real("SGD", "weight_decay", weight_decay),
            "reduction": _check.choice("SGD", "reduction", reduction, _core.REDUCTIONS),
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    def _spec(self) -> _core.Sgd:
        return _core.Sgd(
            lr=self.lr,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            reduction=self.reduction,
        )


@immutable
@dataclass(frozen=True)
class Adam:
    """Steps of about the size of the learning rate, whatever the size of the gradient.

    On ``g = δᵀh / N − γ W`` (downhill, N examples in the batch; biases without decay):
    ``m ← β₁ m + (1 − β₁) g``, ``v ← β₂ v + (1 − β₂) g²``,
    ``W ← W + η (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε)``, every operation elementwise. Decay is part
    of the gradient, as in the source, not apart from it.

    Parameters
    ----------
    lr : float
        Learning rate η, at least 0; the source's is 0.001.
    beta1, beta2 : float
        β₁ and β₂ in [0, 1): how slowly the means m of g and v of g² forget. They live in the network,
        as does t, which counts the steps since they were zero; a step with another kind of optimizer
        drops them.
    epsilon : float
        ε, above 0.
    weight_decay : float
        γ, at least 0.

    Raises
    ------
    ValueError, TypeError
        If a value is outside its range or of the wrong kind.

    References
    ----------
    Kingma & Ba, International Conference on Learning Representations (2015), algorithm 1.
    """

    lr: float
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0

    def __init__(
        self,
        lr: float,
        *,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        fields = {
            "lr": _check.real("Adam", "lr", lr),
            "beta1": _check.real("Adam", "beta1", beta1, high=1.0, open_high=True),
            "beta2": _check.real("Adam", "beta2", beta2, high=1.0, open_high=True),
            "epsilon": _check.real("Adam", "epsilon", epsilon, open_low=True),
            "weight_decay": _check.real("Adam", "weight_decay", weight_decay),
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    def _spec(self) -> _core.Adam:
        return _core.Adam(
            lr=self.lr,
            beta1=self.beta1,
            beta2=self.beta2,
            epsilon=self.epsilon,
            weight_decay=self.weight_decay,
        )


Optimizer = SGD | Adam
