"""Measures of how well a network does, and of how its feedback aligns with backprop."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from . import _check
from ._attributes import immutable
from ._class_names import is_text
from .network import Network, _arguments

__all__ = [
    "MEASURES",
    "LayerAlignment",
    "alignment",
    "angle",
    "effective_rank",
    "error_rate",
    "nse",
]


def __dir__() -> list[str]:
    return sorted(__all__)


def _float64(where: str, name: str, value: Any) -> np.ndarray:
    return _check.real_numbers(where, name, value).astype(np.float64, copy=False)


def angle(u: Any, v: Any, axis: int = -1) -> Any:
    """The angle between vectors, in degrees, 0 … 180.

    Signed: ``arccos(u·v / |u||v|)``, so opposite vectors are 180° apart. (The paper's Methods write
    the magnitude of u·v, which can never show an angle above 90°.) NaN where a vector is zero.

    Parameters
    ----------
    u, v : array_like
        Broadcast against each other.
    axis : int
        The axis along which the vectors lie.

    Raises
    ------
    ValueError, TypeError
        If one has masked values, or holds no real numbers, or their shapes don't go together.
    """
    u, v = _float64("angle", "u", u), _float64("angle", "v", v)
    try:
        u, v = np.broadcast_arrays(u, v)
    except ValueError:
        raise ValueError(
            f"[angle] u has shape {u.shape} and v {v.shape}; they must be the same, or broadcast"
        ) from None
    if u.ndim == 0:
        raise ValueError("[angle] u and v are numbers; they must have at least one dimension")
    axis = _check.integer("angle", "axis", axis, -u.ndim, u.ndim - 1)
    with np.errstate(invalid="ignore", divide="ignore"):  # zero vectors become NaN
        # Scaled first, so that squares of very long or short vectors stay in range.
        u, v = (w / np.max(np.abs(w), axis=axis, keepdims=True, initial=0.0) for w in (u, v))
        norms = np.linalg.norm(u, axis=axis) * np.linalg.norm(v, axis=axis)
        cosine = np.sum(u * v, axis=axis) / norms
    degrees = np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))
    return float(degrees) if degrees.ndim == 0 else degrees


def effective_rank(matrix: Any) -> float:
    """How many directions a matrix has, if each counts as much as its size: (Σ s²)² / Σ s⁴.

    s are the singular values. It is 1 for a matrix of rank 1, and n for n directions of the same size
    (the participation ratio). Of a change of weights it says how much of the network takes part in what
    was learned: ``effective_rank(net.weights[0] - before)``.

    Parameters
    ----------
    matrix : array_like
        (n, m).

    Returns
    -------
    float
        From 1 to min(n, m); NaN if all of it is zero.

    Raises
    ------
    ValueError, TypeError
        If it has not two dimensions, is empty, has masked values, or holds no real, finite numbers.
    """
    a = _float64("effective_rank", "matrix", matrix)
    if a.ndim != 2 or not a.size:
        raise ValueError(
            f"[effective_rank] matrix has shape {a.shape}; it must be (n, m), n and m at least 1"
        )
    _check.finite("effective_rank", "matrix", a)
    s = np.linalg.svd(a, compute_uv=False)
    if not s[0]:
        return math.nan
    shares = (s / s[0]) ** 2  # squares of very large or small ones stay in range
    return float(shares.sum() ** 2 / (shares**2).sum())


def nse(target: Any, output: Any) -> float:
    """Normalised squared error, ``Σ|y* − y|² / Σ|y* − mean(y*)|²``, of (N, n_out) arrays.

    1 is what the targets' mean would score (the paper, figures 1 and 2).

    Raises
    ------
    ValueError, TypeError
        If shapes differ, the targets are all the same, or one has masked values or no real numbers.
    """
    target, output = _float64("nse", "target", target), _float64("nse", "output", output)
    if target.shape != output.shape:
        raise ValueError(
            f"[nse] output has shape {output.shape}; it must be the target's, {target.shape}"
        )
    spread = np.sum((target - target.mean(axis=0)) ** 2)
    if spread == 0:
        raise ValueError("[nse] target has no variance; it must hold different rows")
    return float(np.sum((target - output) ** 2) / spread)


def error_rate(net: Network, X: Any, labels: Any) -> float:
    """The fraction of examples X (N, n_in) whose prediction is not their label, (N,): integers,
    booleans, or names (of ``net.class_names``).

    Raises
    ------
    ValueError
        If labels are no integers from 0 to n_out − 1, or not as many as X has rows, or the network has
        one output.
    """
    if not isinstance(net, Network):
        raise TypeError(f"[error_rate] net was {net!r}; it must be a Network")
    labels = _check.as_array("error_rate", "labels", labels)
    if labels.ndim == 1 and (labels.dtype.kind == "b" or is_text(labels)):
        labels = _arguments.labels(net, "error_rate", "labels", labels, len(labels))
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise ValueError(
            f"[error_rate] labels was an array of {labels.dtype} and shape {labels.shape}; "
            "it must be one-dimensional, of integers"
        )
    if len(labels) and (labels.min() < 0 or labels.max() >= net.output_size):
        raise ValueError(
            f"[error_rate] labels lies in [{labels.min()}, {labels.max()}]; the network has "
            f"{net.output_size} outputs, so it must lie in [0, {net.output_size - 1}]"
            + _check.from_one_hint(labels.min(), labels.max(), net.output_size)
        )
    predicted = net.predict(X)
    if len(predicted) != len(labels):
        raise ValueError(
            f"[error_rate] labels has {len(labels)} entries; X has {len(predicted)} rows"
        )
    return float(np.mean(predicted != labels))


@immutable
@dataclass(frozen=True)
class LayerAlignment:
    """How the feedback into one hidden layer compares with backprop, on a probe batch.

    Angles are in degrees, signed, 0 … 180, and every measure is NaN where it is undefined. W is the
    weight matrix above the layer and B its feedback matrix, (n_l, n_source). On the routes ``direct``
    and ``target``, Wᵀ stands for the chain product ``W_{l+1}ᵀ ⋯ W_Lᵀ``, which has B's shape. δ_s is
    the signal that B is given. With node perturbation, which has no B, the deltas are those of one
    sample of its noise, and what needs B is NaN.

    Attributes
    ----------
    layer : int
        The hidden layer, 0 the first.
    angle_bp, angle_bp_sd : float
        Δh∠Δh_BP: mean and standard deviation over the examples (the paper, figures 1e, 2b).
        Examples for which either is zero are left out.
    angle_bp_layer : float
        The same with all examples' deltas as one long vector.
    angle_pbp, angle_pbp_sd : float
        Δh∠Δh_PBP: as ``angle_bp``, against what pseudobackprop (W⁺ in every layer, at the current
        weights) would send (the preprint, arXiv:1411.0247, figure 4c).
    weight_angle : float
        vec(Wᵀ)∠vec(B).
    neuron_angles : ndarray
        (n_l,), the same for each hidden unit: its row of B against its row of Wᵀ.
    trace_bw : float
        tr(B W), W being (n_source, n_l).
    descent : float
        eᵀWBe, mean over the examples: positive where the feedback lies within 90° of backprop's (the
        paper, equation 1). e is δ_s; on the route ``target``, B is given the target and W the
        output's delta.
    descent_positive : float
        The fraction of the examples for which eᵀWBe > 0.
    trace_abe : float
        h·Bδ_s, mean over the examples. In a linear network whose inputs have the mean square I, this is
        tr(AᵀBE), A being the weights below and E the matrix that maps the inputs to the errors.
    norm_ratio : float
        Σ|Δh| / Σ|Δh_BP| over the examples: feedback that is larger than backprop's acts like a larger
        learning rate.
    gradient_angle : float
        The angle between the whole batch's update of the layer's incoming weights, Σ Δh hᵀ, and
        backprop's.
    """

    layer: int
    angle_bp: float
    angle_bp_sd: float
    angle_bp_layer: float
    angle_pbp: float
    angle_pbp_sd: float
    weight_angle: float
    neuron_angles: np.ndarray = field(compare=False)
    trace_bw: float
    descent: float
    descent_positive: float
    trace_abe: float
    norm_ratio: float
    gradient_angle: float

    def as_dict(self) -> dict[str, Any]:
        """The attributes by name."""
        return dict(vars(self))


MEASURES = tuple(f.name for f in fields(LayerAlignment) if f.name != "layer")
_OF_MATRICES = {
    "weight_angle",
    "neuron_angles",
    "trace_bw",
    "descent",
    "descent_positive",
    "trace_abe",
}


def check_measures(where: str, measures: Any, pseudobackprop: Any) -> tuple[str, ...]:
    """`measures` as names of :class:`LayerAlignment`'s fields; all of them for None."""
    if pseudobackprop is not None:
        _check.flag(where, "pseudobackprop", pseudobackprop)
    if measures is None:
        return MEASURES
    if isinstance(measures, str) or not isinstance(measures, Sequence) or not measures:
        raise TypeError(
            f"[{where}] measures was {measures!r}; it must be a list of names from "
            f"{', '.join(MEASURES)}"
        )
    return tuple(
        _check.choice(where, f"measures[{i}]", m, MEASURES) for i, m in enumerate(measures)
    )


def alignment(
    net: Network,
    X: Any,
    Y: Any,
    *,
    measures: Sequence[str] | None = None,
    pseudobackprop: bool | None = None,
) -> list[LayerAlignment]:
    """Compare the network's feedback with backprop's on the same weights, for each hidden layer.

    Computed in the core, at the current weights, for any rule; changes nothing.

    Parameters
    ----------
    net : Network
    X, Y : array_like
        A probe batch: inputs (N, n_in) and targets (N, n_out).
    measures : sequence of str, optional
        Names of :class:`LayerAlignment`'s attributes; what isn't asked for, and isn't a by-product of
        what is, is NaN. Default: all. ``angle_bp`` alone costs little more than a forward pass.
    pseudobackprop : bool, optional
        Whether to compute ``angle_pbp``, which takes the pseudoinverse of every weight matrix above
        the first hidden layer. Default: where the smaller side of each is at most 256; larger ones take
        longer than all the rest.

    Returns
    -------
    list of LayerAlignment
        One for each hidden layer. All deltas include ∘ σ′(a).

    Raises
    ------
    ValueError, TypeError
        If X or Y has the wrong shape or kind, or a value that is not finite.
    """
    if not hasattr(net, "_xy"):
        raise TypeError(f"[alignment] net was {net!r}; it must be a fastfa.Network")
    x, y = net._xy("alignment", X, Y)
    asked = set(check_measures("alignment", measures, pseudobackprop))
    pseudo = -1 if pseudobackprop is None else int(pseudobackprop)
    if not asked & {"angle_pbp", "angle_pbp_sd"}:
        pseudo = 0
    rows = net._net.alignment(x, y, "gradient_angle" in asked, bool(asked & _OF_MATRICES), pseudo)
    return [LayerAlignment(**row) for row in rows]
