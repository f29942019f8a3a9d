"""Measures of how well a network does, and of how its feedback aligns with backprop."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from .network import Network


def angle(u: Any, v: Any, axis: int = -1) -> np.ndarray | float:
    """The angle between vectors, in degrees, 0 … 180.

    Signed: ``arccos(u·v / |u||v|)``, so opposite vectors are 180° apart. (The paper's Methods write
    the magnitude of u·v, which can never show an angle above 90°.) NaN where a vector is zero.

    Parameters
    ----------
    u, v : array_like
        Broadcast against each other.
    axis : int
        The axis along which the vectors lie.
    """
    u, v = np.asarray(u, np.float64), np.asarray(v, np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):  # zero vectors become NaN
        # Scaled first, so that squares of very long or short vectors stay in range.
        u, v = (w / np.max(np.abs(w), axis=axis, keepdims=True, initial=0.0) for w in (u, v))
        norms = np.linalg.norm(u, axis=axis) * np.linalg.norm(v, axis=axis)
        cosine = np.sum(u * v, axis=axis) / norms
    degrees = np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))
    return float(degrees) if degrees.ndim == 0 else degrees


def nse(target: Any, output: Any) -> float:
    """Normalised squared error, ``Σ|y* − y|² / Σ|y* − mean(y*)|²``, of (N, n_out) arrays.

    1 is what the targets' mean would score (the paper, figures 1 and 2).

    Raises
    ------
    ValueError
        If shapes differ, or the targets are all the same.
    """
    target, output = np.asarray(target, np.float64), np.asarray(output, np.float64)
    if target.shape != output.shape:
        raise ValueError(
            f"[nse] output has shape {output.shape}; it must be the target's, {target.shape}"
        )
    spread = np.sum((target - target.mean(axis=0)) ** 2)
    if spread == 0:
        raise ValueError("[nse] target has no variance; it must hold different rows")
    return float(np.sum((target - output) ** 2) / spread)


def error_rate(net: Network, X: Any, labels: Any) -> float:
    """The fraction of examples X (N, n_in) whose prediction is not their label, (N,) integers."""
    labels = np.asarray(labels)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise ValueError(
            f"[error_rate] labels was an array of {labels.dtype} and shape {labels.shape}; "
            "it must be one-dimensional, of integers"
        )
    predicted = net.predict(X)
    if len(predicted) != len(labels):
        raise ValueError(
            f"[error_rate] labels has {len(labels)} entries; X has {len(predicted)} rows"
        )
    return float(np.mean(predicted != labels))


@dataclass(frozen=True)
class LayerAlignment:
    """How the feedback into one hidden layer compares with backprop, on a probe batch.

    Attributes
    ----------
    layer : int
        The hidden layer, 0 the first.
    angle_bp, angle_bp_sd : float
        Δh∠Δh_BP, degrees: mean and standard deviation over the examples (the paper, figures 1e, 2b).
        Examples for which either is zero are left out; NaN if none is left.
    weight_angle : float
        vec(Wᵀ)∠vec(B), degrees, of the weights above and a layerwise B; NaN for other routes.
    norm_ratio : float
        Σ|Δh| / Σ|Δh_BP| over the examples: feedback that is larger than backprop's acts like a larger
        learning rate.
    """

    layer: int
    angle_bp: float
    angle_bp_sd: float
    weight_angle: float
    norm_ratio: float

    def as_dict(self) -> dict[str, float]:
        """The attributes by name."""
        return asdict(self)


def alignment(net: Network, X: Any, Y: Any) -> list[LayerAlignment]:
    """Compare the network's feedback with backprop's on the same weights, for each hidden layer.

    Parameters
    ----------
    net : Network
    X, Y : array_like
        A probe batch: inputs (N, n_in) and targets (N, n_out).

    Returns
    -------
    list of LayerAlignment
        One for each hidden layer. Both deltas include ∘ σ′(a).
    """
    own, backprop = net.deltas(X, Y), net.deltas(X, Y, feedback="bp")
    matrices, weights = net.feedback_matrices, net.weights
    rows = []
    for i, rule in enumerate(net.feedback):
        angles = angle(own[i], backprop[i])
        angles = angles[np.isfinite(angles)]
        reference = np.linalg.norm(backprop[i].astype(np.float64), axis=1).sum()
        size = np.linalg.norm(own[i].astype(np.float64), axis=1).sum()
        layerwise = rule.route == "layerwise" or i + 2 == len(net.layers)
        rows.append(
            LayerAlignment(
                layer=i,
                angle_bp=float(angles.mean()) if len(angles) else float("nan"),
                angle_bp_sd=float(angles.std()) if len(angles) else float("nan"),
                weight_angle=angle(weights[i + 1].T.ravel(), matrices[i].ravel())
                if layerwise
                else float("nan"),
                norm_ratio=float(size / reference) if reference > 0 else float("nan"),
            )
        )
    return rows
