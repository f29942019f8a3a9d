"""Optimizers: how an error signal becomes a change of weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import Any, ClassVar, Literal, NamedTuple

from . import _check, _core
from ._attributes import immutable


class _Setting(NamedTuple):
    """What is known of a setting by its name, whichever optimizer has it."""

    check: Callable[[str, str, Any], Any]  # (optimizer, name, value) -> what is kept
    words: str  # for the help of a command
    metavar: str


_share = partial(_check.real, high=1.0, open_high=True)
_reduction = partial(_check.choice, known=_core.REDUCTIONS)


def _limit(where: str, name: str, value: Any) -> float | None:
    return None if value is None else _check.real(where, name, value, open_low=True)


SETTINGS = {
    "lr": _Setting(_check.real, "eta: the learning rate", "ETA"),
    "momentum": _Setting(_share, "alpha", "ALPHA"),
    "nesterov": _Setting(_check.flag, "whether steps look ahead by Nesterov's momentum", ""),
    "rho": _Setting(_share, "memory of the square", "RHO"),
    "beta1": _Setting(_share, "memory of the mean", "BETA1"),
    "beta2": _Setting(_share, "memory of the square", "BETA2"),
    "epsilon": _Setting(partial(_check.real, open_low=True), "added to the root", "EPSILON"),
    "weight_decay": _Setting(_check.real, "gamma", "GAMMA"),
    "reduction": _Setting(_reduction, "mean or sum of a batch's updates", "NAME"),
    "clip_norm": _Setting(_limit, "the largest norm of all gradients together", "NORM"),
    "clip_value": _Setting(_limit, "the largest size of an element of a gradient", "SIZE"),
}


@dataclass(frozen=True)
class Optimizer:
    """What all optimizers have: a learning rate, checks, and their form in the core."""

    lr: float
    _rate: ClassVar[float]  # lr where a command or an estimator is given none

    def __post_init__(self) -> None:
        for name, value in self._settings().items():
            checked = SETTINGS[name].check(self._kind().__name__, name, value)
            object.__setattr__(self, name, checked)
        limits = [f"{n} {v}" for n, v in self._settings().items() if "clip" in n and v is not None]
        if len(limits) > 1:
            raise ValueError(
                f"[{self._kind().__name__}] there were {' and '.join(limits)}; it must be one of them"
            )

    def _settings(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self._kind())}

    @classmethod
    def _kind(cls) -> type[Optimizer]:
        """The one of `OPTIMIZERS` that this is, or is derived from."""
        return next(kind for kind in cls.__mro__ if kind in OPTIMIZERS)

    def _spec(self) -> _core.Optimizer:
        # no limit is None here, 0 in the core
        given = {name: 0.0 if value is None else value for name, value in self._settings().items()}
        return _core.Optimizer(self._kind().__name__.lower(), **given)


@immutable
@dataclass(frozen=True)
class SGD(Optimizer):
    """Stochastic gradient descent with momentum and weight decay.

    ``v ← α v + g`` with ``g = η (s δᵀh − γ W)``, ``W ← W + v``; ``s`` is 1/N for ``reduction="mean"``
    and 1 for ``"sum"``; N is the number of examples in the batch. Biases change the same way without
    decay. The paper writes the case α = 0: ``ΔW ∝ e hᵀ``.

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
    nesterov : bool
        Nesterov's momentum, as PyTorch has it: ``W ← W + g + α v`` with the new v. It needs α above 0.
    clip_norm : float, optional
        The largest Euclidean norm of all gradients together, of weights and biases that learn, before
        decay: longer ones are scaled down to it (Pascanu et al., 2013). Such a step forms all gradients
        first, so it needs memory for them. Default: no limit.
    clip_value : float, optional
        The largest size of each element of a gradient; larger ones are cut off there. Not with
        clip_norm.

    Raises
    ------
    ValueError, TypeError
        If a value is outside its range or of the wrong kind.

    References
    ----------
    Sutskever, Martens, Dahl & Hinton, International Conference on Machine Learning (2013), of Nesterov's
    momentum. Pascanu, Mikolov & Bengio, the same conference, of clip_norm.
    """

    _rate = 0.1
    _: KW_ONLY
    momentum: float = 0.0
    weight_decay: float = 0.0
    reduction: Literal["mean", "sum"] = "mean"
    nesterov: bool = False
    clip_norm: float | None = None
    clip_value: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nesterov and self.momentum == 0:
            raise ValueError(
                f"[SGD] nesterov was True with momentum {self.momentum}; it must be False, or momentum "
                "above 0"
            )


@immutable
@dataclass(frozen=True)
class Adam(Optimizer):
    """Steps of about the size of the learning rate, whatever the size of the gradient.

    On ``g = δᵀh / N − γ W`` (downhill, N examples in the batch; biases without decay):
    ``m ← β₁ m + (1 − β₁) g``, ``v ← β₂ v + (1 − β₂) g²``,
    ``W ← W + η (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε)``, every operation elementwise. Decay is part
    of the gradient, as in the source, not apart from it as in `AdamW`.

    Parameters
    ----------
    lr : float
        Learning rate η, at least 0; the source's is 0.001.
    beta1, beta2 : float
        β₁ and β₂ in [0, 1): how slowly the means m of g and v of g² forget. They live in the network,
        as does t, which counts the steps since they were zero. A step with another kind of optimizer
        drops them; Adam and AdamW go on with each other's.
    epsilon : float
        ε, above 0.
    weight_decay : float
        γ, at least 0.
    clip_norm, clip_value : float, optional
        As those of `SGD`.

    Raises
    ------
    ValueError, TypeError
        If a value is outside its range or of the wrong kind.

    References
    ----------
    Kingma & Ba, International Conference on Learning Representations (2015), algorithm 1.
    """

    _rate = 0.001
    _: KW_ONLY
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0
    clip_norm: float | None = None
    clip_value: float | None = None


@immutable
@dataclass(frozen=True)
class AdamW(Optimizer):
    """`Adam` with weight decay of its own, which the size of the gradient doesn't change.

    On ``g = δᵀh / N``, with m and v as those of Adam:
    ``W ← W − η γ W + η (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε)``. Biases don't decay.

    Parameters
    ----------
    lr : float
        Learning rate η, at least 0; 0.001 is usual.
    beta1, beta2 : float
        As those of Adam. Adam and AdamW go on with each other's means.
    epsilon : float
        ε, above 0.
    weight_decay : float
        γ, at least 0. Training refuses η γ above 1. In float32 an η γ below 3e-8 is lost in rounding.
    clip_norm, clip_value : float, optional
        As those of `SGD`.

    Raises
    ------
    ValueError, TypeError
        If a value is outside its range or of the wrong kind.

    References
    ----------
    Loshchilov & Hutter, International Conference on Learning Representations (2019), algorithm 2, with
    γ times η as PyTorch has it.
    """

    _rate = 0.001
    _: KW_ONLY
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.01
    clip_norm: float | None = None
    clip_value: float | None = None


@immutable
@dataclass(frozen=True)
class RMSprop(Optimizer):
    """Gradients divided by the root of their mean square.

    On ``g = δᵀh / N − γ W`` (downhill, N examples in the batch; biases without decay):
    ``s ← ρ s + (1 − ρ) g²``, ``W ← W + η g / (√s + ε)``, every operation elementwise. It is PyTorch's
    form, without momentum and not centred. s starts at zero and nothing corrects for that, so the first
    step is 1/√(1 − ρ) times η.

    Parameters
    ----------
    lr : float
        Learning rate η, at least 0; 0.001 is usual.
    rho : float
        ρ in [0, 1): how slowly the mean s of g² forgets; PyTorch calls it alpha. s lives in the network;
        a step with another kind of optimizer drops it.
    epsilon : float
        ε, above 0.
    weight_decay : float
        γ, at least 0.
    clip_norm, clip_value : float, optional
        As those of `SGD`.

    Raises
    ------
    ValueError, TypeError
        If a value is outside its range or of the wrong kind.

    References
    ----------
    Tieleman & Hinton, Neural Networks for Machine Learning, lecture 6.5, Coursera (2012).
    """

    _rate = 0.001
    _: KW_ONLY
    rho: float = 0.99
    epsilon: float = 1e-8
    weight_decay: float = 0.0
    clip_norm: float | None = None
    clip_value: float | None = None


# All there are: error messages, commands, estimators and checkpoints read them here.
OPTIMIZERS: tuple[type[Optimizer], ...] = (SGD, Adam, AdamW, RMSprop)
BY_NAME = {kind.__name__.lower(): kind for kind in OPTIMIZERS}


def either(words: list[str] | tuple[str, ...]) -> str:
    """``a, b or c``."""
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


EXPECTED = "an " + either([kind.__name__ for kind in OPTIMIZERS])


def owners(setting: str) -> dict[str, Any]:
    """The names of the optimizers that have this setting, with its default there; of lr: none."""
    return {
        name: field.default
        for name, kind in BY_NAME.items()
        for field in dataclasses.fields(kind)
        if field.name == setting != "lr"
    }
